// Functions of DuckDB in a shared library that knows neither Python nor a build of DuckDB. Either it
// registers with the engine that the process has loaded, and every database opened afterwards has them
// (loaded by cxcore/_sql/native.py through ctypes); or an engine loads it as a file that `python -m cxcore
// duckdb-extension` wrote (LOAD, in any language and on the command line).
//
// The law is never to fail: a registration or an entry that says no makes every later duckdb.connect() of
// the process raise. So all is looked up before anything is registered, the entry always says yes, and a
// function that cannot be registered is just not there. No exception leaves this file; states are plain
// data. Decision: docs/adr/0032.
#include "cxcore/duckdb/api.hpp"
#include "cxcore/duckdb/intervals.hpp"
#include "cxcore/duckdb/scores.hpp"
#include "cxcore/duckdb/sessions.hpp"

namespace {

using namespace cxcore::duck;

void register_all(Handle info, Access* access) {
    Handle connection = nullptr;
    try {
        Handle* const database = access->get_database(info);
        if (!database || api.duckdb_connect(*database, &connection)) return;
        register_score<Nps>(connection);
        register_score<Csat>(connection);
        register_score<Ces>(connection);
        register_interval<Nps>(connection);
        register_interval<Csat>(connection);
        register_interval<Ces>(connection);
        register_session_number(connection);
        register_session_id(connection);
    } catch (...) {  // a database without our functions is better than none
    }
    if (connection) api.duckdb_disconnect(&connection);
}

bool enter(Handle info, Access* access) {
    register_all(info, access);
    return true;
}

int32_t describe(Descriptor* descriptor) {
    descriptor->version = 1;
    descriptor->name = "cxcore";
    descriptor->extension_version = CXCORE_VERSION;
    descriptor->api_version = "v1.2.0";
    descriptor->entry_capi_v1 = reinterpret_cast<void (*)()>(enter);
    return 0;
}

}  // namespace

// Whether the engine in the library `path`, which is loaded, has the functions from now on.
extern "C" __attribute__((visibility("default"))) int cxcore_register_duckdb(const char* path) {
    static bool is_registered = false;
    if (is_registered) return 1;
    void* const engine = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
    if (!engine || !api.find(engine)) return 0;
    if (std::strncmp(api.duckdb_library_version(), "v2.", 3) != 0) return 0;  // others have no registry
    const auto add = reinterpret_cast<int32_t (*)(int32_t (*)(Descriptor*))>(
        dlsym(engine, "duckdb_register_static_extension"));
    is_registered = add && add(describe) == 0;
    return is_registered;
}

// What LOAD calls, in a copy of this library that has DuckDB's footer.
extern "C" __attribute__((visibility("default"))) bool cxcore_init_c_api(Handle info, Access* access) {
    const void* const table = access->get_api(info, "v1.2.0");
    if (!table) return false;  // the engine has said why
    api.take(table);
    register_all(info, access);
    return true;
}
