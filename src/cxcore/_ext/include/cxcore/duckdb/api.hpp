// What is used of DuckDB's C API v1, which is stable. Declared by hand from the published interface
// (duckdb.h, duckdb_extension.h, duckdb_static_extension.h): handles are opaque, so that no header of DuckDB
// is needed, and functions are found by name in the engine that the process has loaded, or in the table that
// an engine gives to a file that it loads, so that none is linked. Where one is missing there are no native
// functions.
#pragma once

#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <initializer_list>

namespace cxcore::duck {

using idx_t = uint64_t;
using Handle = void*;  // of a connection, a function, a set of functions, a type, a vector, a chunk
enum Type : int {
    tinyint = 2,
    smallint = 3,
    integer = 4,
    bigint = 5,
    utinyint = 6,
    usmallint = 7,
    uinteger = 8,
    ubigint = 9,
    real = 10,
    dbl = 11,
    timestamp = 12,
    date = 13,
    interval = 15,
    hugeint = 16,
    varchar = 17,
    blob = 18,
    timestamp_s = 20,
    timestamp_ms = 21,
    timestamp_ns = 22,
    timestamp_tz = 31,
    timestamp_tz_ns = 42,
};
struct Interval {
    int32_t months, days;
    int64_t micros;
};
struct String {  // up to 12 bytes stand inside
    uint32_t length;
    char inlined[4];
    union {
        const char* pointer;
        char more[8];
    } rest;
    const uint8_t* data() const {
        return reinterpret_cast<const uint8_t*>(length <= 12 ? inlined : rest.pointer);
    }
};
static_assert(sizeof(String) == 16 && sizeof(Interval) == 16);

using StateSize = idx_t (*)(Handle info);
using Init = void (*)(Handle info, void* state);
using Update = void (*)(Handle info, Handle chunk, void** states);
using Combine = void (*)(Handle info, void** from, void** to, idx_t n);
using Finalize = void (*)(Handle info, void** states, Handle result, idx_t n, idx_t offset);
using Execute = void (*)(Handle info, Handle chunk, Handle result);

struct Descriptor {
    uint32_t version;  // IN the layout offered, OUT the layout filled
    void (*set_error)(Descriptor*, const char*);
    void* internal;
    const char* name;
    const char* extension_version;
    const char* api_version;
    void (*entry_cpp)();
    void (*entry_capi_v1)();
    void (*entry_capi_v2)();
};
struct Access {
    void (*set_error)(Handle info, const char*);
    Handle* (*get_database)(Handle info);
    const void* (*get_api)(Handle info, const char* version);
};

// Place in the table of v1.2.0, which only grows, name, result and arguments of each function.
#define CXCORE_DUCKDB_API(FUNCTION)                                                        \
    FUNCTION(7, duckdb_library_version, const char*, ())                                   \
    FUNCTION(3, duckdb_connect, int, (Handle, Handle*))                                    \
    FUNCTION(6, duckdb_disconnect, void, (Handle*))                                        \
    FUNCTION(156, duckdb_create_logical_type, Handle, (int))                               \
    FUNCTION(166, duckdb_get_type_id, int, (Handle))                                       \
    FUNCTION(163, duckdb_create_struct_type, Handle, (Handle*, const char**, idx_t))       \
    FUNCTION(184, duckdb_destroy_logical_type, void, (Handle*))                            \
    FUNCTION(226, duckdb_create_aggregate_function, Handle, ())                            \
    FUNCTION(227, duckdb_destroy_aggregate_function, void, (Handle*))                      \
    FUNCTION(228, duckdb_aggregate_function_set_name, void, (Handle, const char*))         \
    FUNCTION(229, duckdb_aggregate_function_add_parameter, void, (Handle, Handle))         \
    FUNCTION(230, duckdb_aggregate_function_set_return_type, void, (Handle, Handle))       \
    FUNCTION(231, duckdb_aggregate_function_set_functions, void,                           \
             (Handle, StateSize, Init, Update, Combine, Finalize))                         \
    FUNCTION(234, duckdb_aggregate_function_set_special_handling, void, (Handle))          \
    FUNCTION(237, duckdb_aggregate_function_set_error, void, (Handle, const char*))        \
    FUNCTION(238, duckdb_create_aggregate_function_set, Handle, (const char*))             \
    FUNCTION(239, duckdb_destroy_aggregate_function_set, void, (Handle*))                  \
    FUNCTION(240, duckdb_add_aggregate_function_to_set, int, (Handle, Handle))             \
    FUNCTION(241, duckdb_register_aggregate_function_set, int, (Handle, Handle))           \
    FUNCTION(209, duckdb_create_scalar_function, Handle, ())                               \
    FUNCTION(210, duckdb_destroy_scalar_function, void, (Handle*))                         \
    FUNCTION(211, duckdb_scalar_function_set_name, void, (Handle, const char*))            \
    FUNCTION(215, duckdb_scalar_function_add_parameter, void, (Handle, Handle))            \
    FUNCTION(216, duckdb_scalar_function_set_return_type, void, (Handle, Handle))          \
    FUNCTION(218, duckdb_scalar_function_set_function, void, (Handle, Execute))            \
    FUNCTION(213, duckdb_scalar_function_set_special_handling, void, (Handle))             \
    FUNCTION(221, duckdb_scalar_function_set_error, void, (Handle, const char*))           \
    FUNCTION(222, duckdb_create_scalar_function_set, Handle, (const char*))                \
    FUNCTION(223, duckdb_destroy_scalar_function_set, void, (Handle*))                     \
    FUNCTION(224, duckdb_add_scalar_function_to_set, int, (Handle, Handle))                \
    FUNCTION(225, duckdb_register_scalar_function_set, int, (Handle, Handle))              \
    FUNCTION(191, duckdb_data_chunk_get_size, idx_t, (Handle))                             \
    FUNCTION(190, duckdb_data_chunk_get_vector, Handle, (Handle, idx_t))                   \
    FUNCTION(194, duckdb_vector_get_data, void*, (Handle))                                 \
    FUNCTION(195, duckdb_vector_get_validity, uint64_t*, (Handle))                         \
    FUNCTION(196, duckdb_vector_ensure_validity_writable, void, (Handle))                  \
    FUNCTION(197, duckdb_vector_assign_string_element, void, (Handle, idx_t, const char*)) \
    FUNCTION(203, duckdb_struct_vector_get_child, Handle, (Handle, idx_t))

#define CXCORE_DECLARE(place, name, result, arguments) result(*name) arguments = nullptr;
struct Api {
    CXCORE_DUCKDB_API(CXCORE_DECLARE)

    // All of them, or false.
    bool find(void* engine) {
        bool all = true;
#define CXCORE_FIND(place, name, result, arguments)                     \
    name = reinterpret_cast<result(*) arguments>(dlsym(engine, #name)); \
    all = all && name;
        CXCORE_DUCKDB_API(CXCORE_FIND)
#undef CXCORE_FIND
        return all;
    }

    void take(const void* table) {
        void* const* const at = static_cast<void* const*>(table);
#define CXCORE_TAKE(place, name, result, arguments) name = reinterpret_cast<result(*) arguments>(at[place]);
        CXCORE_DUCKDB_API(CXCORE_TAKE)
#undef CXCORE_TAKE
    }
};
#undef CXCORE_DECLARE

inline Api api;  // filled once, before anything is registered

// ------------------------------------------------------------------ flat columns

template <class T>
struct Column {
    const T* value;
    const uint64_t* valid;  // null: all are
    Column(Handle chunk, idx_t i) {
        const Handle vector = api.duckdb_data_chunk_get_vector(chunk, i);
        value = static_cast<const T*>(api.duckdb_vector_get_data(vector));
        valid = api.duckdb_vector_get_validity(vector);
    }
    bool is_null(idx_t row) const { return valid && !(valid[row / 64] >> row % 64 & 1); }
};

template <class T>
struct Result {
    Handle vector;
    T* value;
    explicit Result(Handle vector)
        : vector(vector),
          value(static_cast<T*>(api.duckdb_vector_get_data(vector))) {}
    void set_null(idx_t row) {
        api.duckdb_vector_ensure_validity_writable(vector);
        api.duckdb_vector_get_validity(vector)[row / 64] &= ~(uint64_t{1} << row % 64);
    }
};

// ------------------------------------------------------------------ registration

// What a parameter or a result is: one of the types above, or a struct of some.
class LogicalType {
  public:
    struct Field {
        const char* name;
        Type type;
    };
    LogicalType(Type type) : type_(api.duckdb_create_logical_type(type)) {}
    LogicalType(std::initializer_list<Field> fields) {
        Handle types[16];
        const char* names[16];
        idx_t n = 0;
        for (const Field& field : fields) {
            types[n] = api.duckdb_create_logical_type(field.type);
            names[n++] = field.name;
        }
        type_ = api.duckdb_create_struct_type(types, names, n);
        for (idx_t i = 0; i < n; ++i) api.duckdb_destroy_logical_type(&types[i]);
    }
    ~LogicalType() { api.duckdb_destroy_logical_type(&type_); }
    LogicalType(const LogicalType&) = delete;
    LogicalType& operator=(const LogicalType&) = delete;
    operator Handle() const { return type_; }
    bool is_known() const { return api.duckdb_get_type_id(type_) != 0; }

  private:
    Handle type_;
};

// Older engines lack some types: an overload that takes one is left out.
inline bool are_known(std::initializer_list<Type> types) {
    bool all = true;
    for (const Type type : types) all = all && LogicalType(type).is_known();
    return all;
}

// The overloads of an aggregate, registered together at the end of the scope.
class Aggregates {
  public:
    Aggregates(Handle connection, const char* name)
        : connection_(connection),
          name_(name),
          set_(api.duckdb_create_aggregate_function_set(name)) {}
    ~Aggregates() {
        api.duckdb_register_aggregate_function_set(connection_, set_);
        api.duckdb_destroy_aggregate_function_set(&set_);
    }
    Aggregates(const Aggregates&) = delete;
    Aggregates& operator=(const Aggregates&) = delete;

    // A state is plain data; zeros are that of no rows.
    template <class State>
    void add(std::initializer_list<Type> parameters, const LogicalType& gives, Update update, Combine combine,
             Finalize finalize) {
        if (!are_known(parameters)) return;
        Handle function = api.duckdb_create_aggregate_function();
        api.duckdb_aggregate_function_set_name(function, name_);
        for (const Type parameter : parameters)
            api.duckdb_aggregate_function_add_parameter(function, LogicalType(parameter));
        api.duckdb_aggregate_function_set_return_type(function, gives);
        api.duckdb_aggregate_function_set_special_handling(function);  // nulls come, and are judged here
        api.duckdb_aggregate_function_set_functions(
            function, [](Handle) -> idx_t { return sizeof(State); },
            [](Handle, void* state) { std::memset(state, 0, sizeof(State)); }, update, combine, finalize);
        api.duckdb_add_aggregate_function_to_set(set_, function);
        api.duckdb_destroy_aggregate_function(&function);
    }

  private:
    Handle connection_;
    const char* name_;
    Handle set_;
};

// The same of a function of one row.
class Scalars {
  public:
    Scalars(Handle connection, const char* name)
        : connection_(connection),
          name_(name),
          set_(api.duckdb_create_scalar_function_set(name)) {}
    ~Scalars() {
        api.duckdb_register_scalar_function_set(connection_, set_);
        api.duckdb_destroy_scalar_function_set(&set_);
    }
    Scalars(const Scalars&) = delete;
    Scalars& operator=(const Scalars&) = delete;

    void add(std::initializer_list<Type> parameters, const LogicalType& gives, Execute execute) {
        if (!are_known(parameters)) return;
        Handle function = api.duckdb_create_scalar_function();
        api.duckdb_scalar_function_set_name(function, name_);
        for (const Type parameter : parameters)
            api.duckdb_scalar_function_add_parameter(function, LogicalType(parameter));
        api.duckdb_scalar_function_set_return_type(function, gives);
        api.duckdb_scalar_function_set_special_handling(function);
        api.duckdb_scalar_function_set_function(function, execute);
        api.duckdb_add_scalar_function_to_set(set_, function);
        api.duckdb_destroy_scalar_function(&function);
    }

  private:
    Handle connection_;
    const char* name_;
    Handle set_;
};

// ------------------------------------------------------------------ texts

// A number as errors.py writes it: 1,234,567.
struct Grouped {
    char text[32];
    explicit Grouped(int64_t number) {
        char digits[24];
        const int n = std::snprintf(digits, sizeof digits, "%lld", static_cast<long long>(number));
        int to = 0;
        for (int i = 0; i < n; ++i) {
            text[to++] = digits[i];
            if (digits[i] != '-' && i + 1 < n && (n - i - 1) % 3 == 0) text[to++] = ',';
        }
        text[to] = 0;
    }
};

}  // namespace cxcore::duck
