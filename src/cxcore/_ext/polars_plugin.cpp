// Expressions of Polars in a shared library that knows neither Python nor Rust. Polars finds a function by
// the name of its symbol, and panics where one is missing: tests/test_polars_plugin.py holds the list. Called
// through cxcore/_polars_plugin.py, which has a slower way for where this library does not load. Decision:
// docs/adr/0035.
#include "cxcore/polars/sessions.hpp"

#define CXCORE_PLUGIN extern "C" __attribute__((visibility("default")))

namespace {
using namespace cxcore::plugin;
}

CXCORE_PLUGIN uint32_t _polars_plugin_get_version() { return 0 << 16 | 1; }

CXCORE_PLUGIN const char* _polars_plugin_get_last_error_message() { return last_error.c_str(); }

CXCORE_PLUGIN void _polars_plugin_field_session_number(const ArrowSchema* fields, size_t, ArrowSchema* to,
                                                       const uint8_t*, size_t) {
    guard([&] {
        unit_of("session_number", *fields);
        give_field(fields->name, "l", to);
    });
}

CXCORE_PLUGIN void _polars_plugin_session_number(SeriesExport* inputs, size_t n_inputs, const uint8_t*,
                                                 size_t, SeriesExport* to, void*) {
    guard([&] { sessions<Said::number>("session_number", inputs, n_inputs, to); });
}

CXCORE_PLUGIN void _polars_plugin_field_session_start(const ArrowSchema* fields, size_t, ArrowSchema* to,
                                                      const uint8_t*, size_t) {
    guard([&] {
        unit_of("session_start", *fields);
        give_field(fields->name, fields->format, to);
    });
}

CXCORE_PLUGIN void _polars_plugin_session_start(SeriesExport* inputs, size_t n_inputs, const uint8_t*, size_t,
                                                SeriesExport* to, void*) {
    guard([&] { sessions<Said::start>("session_start", inputs, n_inputs, to); });
}
