// Sessions of one user's times as expressions: the number of each row's session, or when it started. Rows may
// come in any order; those without a time have no session. The rule is find_sessions, as in the verbs.
#pragma once

#include <memory>
#include <numeric>

#include "../sessions.hpp"
#include "api.hpp"

namespace cxcore::plugin {

struct Unit {
    bool is_date;
    uint64_t per_microsecond, microseconds;  // ticks in one, or how many make a tick
};

// The text of errors.no_times.
inline std::string no_times(const char* call, const ArrowSchema& field) {
    const std::string name(field.name ? field.name : ""), format(field.format);
    const bool plain = !field.dictionary;
    std::string holds("no such thing"), hint("name a column of dates or datetimes.");
    if (plain && format.size() == 1 && std::strchr("cCsSiIlLefg", format[0]))
        holds = "numbers", hint = "say their unit, for example pl.from_epoch('" + name + "', time_unit='s').";
    else if (plain && (format == "vu" || format == "U" || format == "u"))
        holds = "text", hint = "parse it, for example pl.col('" + name + "').str.to_datetime().";
    return std::string(call) + "(): takes dates or datetimes, and the column '" + name + "' holds " + holds +
           ".\n  Hint: " + hint;
}

inline Unit unit_of(const char* call, const ArrowSchema& field) {
    const char* const format = field.format;
    if (!std::strcmp(format, "tdD")) return {true, 0, 86'400'000'000};
    if (!std::strncmp(format, "tsn:", 4)) return {false, 1'000, 0};
    if (!std::strncmp(format, "tsu:", 4)) return {false, 0, 1};
    if (!std::strncmp(format, "tsm:", 4)) return {false, 0, 1'000};
    throw std::invalid_argument(no_times(call, field));
}

enum class Said { number, start };

template <class Tick, Said said>
void say(const Given& time, uint64_t gap, SeriesExport* to) {
    std::vector<int64_t> row, tick;
    const int64_t n = time.size();
    row.reserve(static_cast<size_t>(n)), tick.reserve(static_cast<size_t>(n));
    time.each<Tick>([&](int64_t at, Tick value) { row.push_back(at), tick.push_back(value); });
    if (!std::is_sorted(tick.begin(), tick.end())) {
        std::vector<std::pair<int64_t, int64_t>> order(tick.size());
        for (size_t i = 0; i < order.size(); ++i) order[i] = {tick[i], row[i]};
        std::sort(order.begin(), order.end());
        for (size_t i = 0; i < order.size(); ++i) tick[i] = order[i].first, row[i] = order[i].second;
    }
    const int64_t offset[2] = {0, static_cast<int64_t>(tick.size())};
    const Begins found = find_sessions(offset, tick.data(), 1, {gap, -1}, 1);
    using Value = std::conditional_t<said == Said::number, int64_t, Tick>;
    auto made = std::make_unique<Made<Value>>(n);
    for (size_t session = 0; session + 1 < found.begin.size(); ++session)
        for (auto p = found.begin[session]; p < found.begin[session + 1]; ++p) {
            const auto start = static_cast<size_t>(found.begin[session]);
            made->set(row[static_cast<size_t>(p)], said == Said::number ? static_cast<Value>(session + 1)
                                                                        : static_cast<Value>(tick[start]));
        }
    const char* const format = said == Said::number ? "l" : time.field().format;
    give_series<Value>(time.field().name, format, std::move(made), n - offset[1], to);
}

// IN time; gap in whole nanoseconds, and in whole microseconds, at most 2^64 - 1 of either
template <Said said>
void sessions(const char* call, SeriesExport* inputs, size_t n_inputs, SeriesExport* to) {
    if (n_inputs != 3) throw std::invalid_argument("takes three columns");
    const Given time(inputs), nanoseconds(inputs + 1), microseconds(inputs + 2);
    const Unit unit = unit_of(call, time.field());
    const uint64_t gap = unit.microseconds ? microseconds.word() / unit.microseconds : nanoseconds.word();
    unit.is_date ? say<int32_t, said>(time, gap, to) : say<int64_t, said>(time, gap, to);
}

}  // namespace cxcore::plugin
