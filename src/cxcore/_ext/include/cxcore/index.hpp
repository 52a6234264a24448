// The event index: rows of a log by user, in order of (tick, tie, row). A CSR matrix over users.
//
// 1. Partition by user: rows go, in their order, to buckets of whole users of about equal size; a bucket fits
//    the cache. Tick and (user in bucket, row) lie in the two output arrays already, so nothing else is as long.
// 2. Bucket by bucket: a counting sort by user, then each user alone, by a sort that is free on what is
//    sorted and cheap on what nearly is. Buckets are independent: threads take them as they come.
// Memory beyond the output: one bucket a thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "threads.hpp"

namespace cxcore {

// True where the rows lie in the order of the index: users contiguous, in time order (and tie order) inside.
// Codes in order of first appearance never fall exactly when users are contiguous.
inline bool is_indexed(const int32_t* code, const int64_t* tick, const int64_t* tie, int64_t n) {
    if (n && code[0] < 0) return false;
    for (int64_t i = 1; i < n; ++i) {
        if (code[i] < code[i - 1]) return false;
        if (code[i] > code[i - 1]) continue;
        if (tick[i] < tick[i - 1]) return false;
        if (tie && tick[i] == tick[i - 1] && tie[i] < tie[i - 1]) return false;
    }
    return true;
}

struct Event {
    int64_t tick, row;
};

// Least significant digit first, 11 bits a pass, only over the bits that differ. Stable.
inline void radix_sort(std::vector<Event>& events) {
    int64_t least = events[0].tick;
    uint64_t spread = 0;
    for (const auto& event : events) least = std::min(least, event.tick);
    for (const auto& event : events) spread |= static_cast<uint64_t>(event.tick) - static_cast<uint64_t>(least);
    std::vector<Event> other(events.size());
    for (int shift = 0; shift < 64 && (spread >> shift); shift += 11) {
        uint32_t start[2048] = {};
        const auto digit = [=](const Event& event) {
            return ((static_cast<uint64_t>(event.tick) - static_cast<uint64_t>(least)) >> shift) & 2047;
        };
        for (const auto& event : events) ++start[digit(event)];
        uint32_t sum = 0;
        for (auto& count : start) sum += std::exchange(count, sum);
        for (const auto& event : events) other[start[digit(event)]++] = event;
        events.swap(other);
    }
}

// Insertion sort that gives up after `budget` moves; whatever it leaves, equal ticks stay in row order.
inline bool sort_if_nearly_sorted(int64_t* tick, int64_t* row, int64_t n, int64_t budget) {
    for (int64_t i = 1; i < n; ++i) {
        const int64_t t = tick[i], r = row[i];
        int64_t at = i;
        for (; at > 0 && tick[at - 1] > t; --at) tick[at] = tick[at - 1], row[at] = row[at - 1];
        tick[at] = t, row[at] = r;
        if ((budget -= i - at) < 0) return false;
    }
    return true;
}

// One user's events, which come in row order, into the order of (tick, tie, row).
inline void sort_user(int64_t* tick, int64_t* row, int64_t n, const int64_t* tie) {
    constexpr int64_t few = 24, worth_a_radix = 1024;
    if (!sort_if_nearly_sorted(tick, row, n, n <= few ? n * n : 4 * n)) {
        std::vector<Event> events(static_cast<size_t>(n));
        for (int64_t i = 0; i < n; ++i) events[static_cast<size_t>(i)] = {tick[i], row[i]};
        if (n < worth_a_radix)
            std::sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
                return a.tick < b.tick || (a.tick == b.tick && a.row < b.row);
            });
        else
            radix_sort(events);
        for (int64_t i = 0; i < n; ++i) tick[i] = events[static_cast<size_t>(i)].tick, row[i] = events[static_cast<size_t>(i)].row;
    }
    if (!tie) return;
    for (int64_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && tick[to] == tick[from];) ++to;
        std::stable_sort(row + from, row + to, [=](int64_t a, int64_t b) { return tie[a] < tie[b]; });
    }
}

// Buckets: whole users, in code order, of about equal numbers of rows.
struct Buckets {
    std::vector<uint16_t> of_user;   // [n_users]
    std::vector<int32_t> first_user; // [n_buckets + 1]

    Buckets(const int64_t* offset, int64_t n_users, int64_t n_buckets) {
        const int64_t n = offset[n_users];
        of_user.resize(static_cast<size_t>(n_users));
        first_user.assign(static_cast<size_t>(n_buckets) + 1, static_cast<int32_t>(n_users));
        for (int64_t u = n_users - 1; u >= 0; --u) {
            const int64_t bucket = n ? std::min(n_buckets - 1, offset[u] * n_buckets / n) : 0;
            of_user[static_cast<size_t>(u)] = static_cast<uint16_t>(bucket);
            first_user[static_cast<size_t>(bucket)] = static_cast<int32_t>(u);
        }
        for (int64_t b = n_buckets - 1; b >= 0; --b)  // empty buckets lie where the next one starts
            first_user[static_cast<size_t>(b)] =
                std::min(first_user[static_cast<size_t>(b)], first_user[static_cast<size_t>(b) + 1]);
    }
};

// IN  code int32[n] (-1: left out), tick int64[n], tie int64[n] or null, offset int64[n_users + 1]
// OUT row int64[offset[n_users]], sorted_tick int64[offset[n_users]]
inline void sort_events(const int32_t* code, const int64_t* tick, const int64_t* tie, int64_t n,
                        const int64_t* offset, int64_t n_users, int n_threads, int64_t* row,
                        int64_t* sorted_tick) {
    if (!n_users) return;
    constexpr int64_t bucket_rows = 1 << 15;
    const int64_t n_buckets = std::clamp<int64_t>(offset[n_users] / bucket_rows, 1, 1024);
    const Buckets buckets(offset, n_users, n_buckets);
    const int64_t n_parts = std::max<int64_t>(1, std::min<int64_t>(n_threads, n >> 16));
    const auto cut = [=](int64_t part) { return n * part / n_parts; };

    std::vector<std::vector<int64_t>> cursor(static_cast<size_t>(n_parts));
    for_each_piece(n_parts, n_threads, [&](int64_t part) {
        auto& count = cursor[static_cast<size_t>(part)];
        count.assign(static_cast<size_t>(n_buckets), 0);
        for (int64_t i = cut(part); i < cut(part + 1); ++i)
            if (code[i] >= 0) ++count[buckets.of_user[static_cast<size_t>(code[i])]];
    });
    for (int64_t b = 0; b < n_buckets; ++b) {
        int64_t at = offset[buckets.first_user[static_cast<size_t>(b)]];
        for (auto& part : cursor) at += std::exchange(part[static_cast<size_t>(b)], at);
    }
    for_each_piece(n_parts, n_threads, [&](int64_t part) {
        auto& next = cursor[static_cast<size_t>(part)];
        for (int64_t i = cut(part); i < cut(part + 1); ++i) {
            if (code[i] < 0) continue;
            const auto bucket = buckets.of_user[static_cast<size_t>(code[i])];
            const int64_t at = next[bucket]++;
            const int64_t user = code[i] - buckets.first_user[bucket];
            sorted_tick[at] = tick[i];
            row[at] = (user << 31) | i;  // rows and codes are below 2^31
        }
    });
    for_each_piece(n_buckets, n_threads, [&](int64_t b) {
        const int64_t user_from = buckets.first_user[static_cast<size_t>(b)];
        const int64_t user_to = buckets.first_user[static_cast<size_t>(b) + 1];
        const int64_t from = offset[user_from], to = offset[user_to];
        if (user_to - user_from > 1) {
            std::vector<Event> events(static_cast<size_t>(to - from));
            for (int64_t p = from; p < to; ++p) events[static_cast<size_t>(p - from)] = {sorted_tick[p], row[p]};
            std::vector<int64_t> next(offset + user_from, offset + user_to);
            for (const auto& event : events) {
                const int64_t at = next[static_cast<size_t>(event.row >> 31)]++;
                sorted_tick[at] = event.tick;
                row[at] = event.row & 0x7FFFFFFF;
            }
        }
        for (int64_t u = user_from; u < user_to; ++u)
            sort_user(sorted_tick + offset[u], row + offset[u], offset[u + 1] - offset[u], tie);
    });
}

}  // namespace cxcore
