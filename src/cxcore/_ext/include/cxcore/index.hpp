// The event index: rows of a log by user, in order of (tick, tie, row). A CSR matrix over users.
//
// 1. Partition by user: rows go, in their order, to buckets of whole users of about equal size; a bucket fits
//    the cache. Tick and (user in bucket, row) lie in the two output arrays already, so nothing else is as
//    long.
// 2. Bucket by bucket: a counting sort by (user, slot of time). A user whose events come in order has one
// slot;
//    others have one for each event, spread evenly from the first to the last, so that what shares a slot is
//    a burst: a handful, sorted rank by rank. Where users have a handful each there are no slots. Buckets are
//    independent: threads take them as they come.
// Memory beyond the output: one bucket a thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "arrived.hpp"
#include "clones.hpp"
#include "memory.hpp"
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

// The same where users are known to be contiguous, user u at offset[u] .. offset[u + 1], none without rows.
CXCORE_CLONES inline bool is_in_time(const int64_t* offset, int64_t n_users, const int64_t* tick,
                                     const int64_t* tie) {
    // All falls, less those from user to user: where users end is noise, so no branch asks. The sign of a
    // difference tells where it does not overflow, and two rows of it go into one instruction.
    const int64_t n = offset[n_users];
    const auto sign = [](uint64_t x) { return x >> 63; };
    const auto at = [=](int64_t i) { return static_cast<uint64_t>(tick[i]); };
    constexpr uint64_t half = uint64_t{1} << 62;
    uint64_t is_far = n ? at(0) + half : 0, falls = 0;
    for (int64_t i = 1; i < n; ++i) {
        is_far |= at(i) + half;
        falls += sign(at(i) - at(i - 1));
    }
    if (sign(is_far)) {
        falls = 0;
        for (int64_t i = 1; i < n; ++i) falls += tick[i] < tick[i - 1];
    }
    for (int64_t u = 1; u < n_users; ++u) falls -= tick[offset[u]] < tick[offset[u] - 1];
    for (int64_t u = 0; tie && !falls && u < n_users; ++u)
        for (int64_t i = offset[u] + 1; i < offset[u + 1]; ++i)
            falls += tick[i] == tick[i - 1] && tie[i] < tie[i - 1];
    return !falls;
}

struct Event {
    int64_t tick, row;
};

constexpr int64_t few_events = 16;

// Rank by rank, without a branch on the data: what a shuffled handful costs most is mispredicted branches.
inline void sort_few(Event* events, int64_t n) {
    if (n == 2) {
        const bool turned = events[0].tick > events[1].tick;
        const Event pair[2] = {events[turned], events[!turned]};
        events[0] = pair[0], events[1] = pair[1];
        return;
    }
    Event sorted[few_events];
    int32_t rank[few_events] = {};
    for (int64_t i = 1; i < n; ++i) {
        for (int64_t j = 0; j < i; ++j) {
            const int32_t later = events[j].tick > events[i].tick;
            rank[j] += later;
            rank[i] += 1 - later;
        }
    }
    for (int64_t i = 0; i < n; ++i) sorted[rank[i]] = events[i];
    std::copy_n(sorted, n, events);
}

// Four pairs half the log apart: in a shuffled log hardly ever are all in order.
inline bool looks_sorted(const Event* events, int64_t n) {
    for (int64_t k = 0; k < 4; ++k)
        if (events[k * n / 8].tick > events[k * n / 8 + n / 2].tick) return false;
    return true;
}

// Insertion sort that gives up after `budget` moves; whatever it leaves, equal ticks stay in their order.
inline bool sort_if_nearly_sorted(Event* events, int64_t n, int64_t budget) {
    for (int64_t i = 1; i < n; ++i) {
        const Event event = events[i];
        int64_t at = i;
        for (; at > 0 && events[at - 1].tick > event.tick; --at) events[at] = events[at - 1];
        events[at] = event;
        if ((budget -= i - at) < 0) return false;
    }
    return true;
}

// Distribute over as many ranges of time as there are events (2,048 at most), then range by range: times of
// one user are spread over the log but for bursts, so one or two rounds do. Stable. `spare` holds n events.
inline void sort_by_time(Event* events, Event* spare, int64_t n) {
    if (n <= few_events) return sort_few(events, n);
    if (looks_sorted(events, n) && sort_if_nearly_sorted(events, n, 4 * n)) return;
    int64_t least = events[0].tick, most = least;
    for (int64_t i = 1; i < n; ++i) {
        least = std::min(least, events[i].tick);
        most = std::max(most, events[i].tick);
    }
    const auto ahead = [=](const Event& event) {  // ticks after the least, without overflow
        return static_cast<uint64_t>(event.tick) - static_cast<uint64_t>(least);
    };
    const int range_bits =
        64 - __builtin_clzll((static_cast<uint64_t>(most) - static_cast<uint64_t>(least)) | 1);
    const int bits = std::min(11, 64 - __builtin_clzll(static_cast<uint64_t>(n)));
    const int shift = std::max(0, range_bits - bits);
    uint32_t end[2048];  // rows are below 2^31
    const int64_t n_ranges = int64_t{1} << std::min(bits, range_bits);
    std::fill_n(end, n_ranges, 0);
    for (int64_t i = 0; i < n; ++i) ++end[ahead(events[i]) >> shift];
    uint32_t sum = 0;
    for (int64_t r = 0; r < n_ranges; ++r) sum += std::exchange(end[r], sum);
    for (int64_t i = 0; i < n; ++i) spare[end[ahead(events[i]) >> shift]++] = events[i];
    if (shift > 0) {
        int64_t from = 0;
        for (int64_t r = 0; r < n_ranges; from = end[r++])
            if (end[r] - from > 2 * few_events) sort_by_time(spare + from, events + from, end[r] - from);
    }
    // What is left is out of place by a few at most: put right on the way back.
    for (int64_t i = 0; i < n; ++i) {
        const Event event = spare[i];
        int64_t at = i;
        for (; at > 0 && events[at - 1].tick > event.tick; --at) events[at] = events[at - 1];
        events[at] = event;
    }
}

inline void sort_ties(Event* events, int64_t n, const int64_t* tie) {
    for (int64_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && events[to].tick == events[from].tick;) ++to;
        std::stable_sort(events + from, events + to,
                         [=](const Event& a, const Event& b) { return tie[a.row] < tie[b.row]; });
    }
}

// Buckets: whole users, in code order, of about equal numbers of rows.
struct Buckets {
    std::vector<uint16_t> of_user;    // [n_users]
    std::vector<int32_t> first_user;  // [n_buckets + 1]

    Buckets(const int64_t* offset, int64_t n_users, int64_t n_buckets) {
        const int64_t n = offset[n_users];
        of_user.resize(static_cast<size_t>(n_users));
        first_user.assign(static_cast<size_t>(n_buckets) + 1, static_cast<int32_t>(n_users));
        first_user[0] = 0;
        int64_t bucket = 0;  // offset * n_buckets / n, without the division
        for (int64_t u = 0; u < n_users; ++u) {
            while (bucket + 1 < n_buckets && offset[u] * n_buckets >= (bucket + 1) * n)
                first_user[static_cast<size_t>(++bucket)] = static_cast<int32_t>(u);
            of_user[static_cast<size_t>(u)] = static_cast<uint16_t>(bucket);
        }
    }
};

// Calls work(i) for the rows [from, to) that are not left out, from the last to the first where `backward`.
// Which rows are left out is noise to the processor, so a block is first asked without a branch.
template <bool backward, class Work>
void for_each_kept(const int32_t* code, int64_t from, int64_t to, bool all, Work&& work) {
    const auto row = [=](int64_t k) { return backward ? to - 1 - k : from + k; };
    const int64_t n = to - from;
    if (all) {
        for (int64_t k = 0; k < n; ++k) work(row(k));
        return;
    }
    constexpr int64_t block = 256;
    int64_t kept[block];
    for (int64_t start = 0; start < n; start += block) {
        int64_t n_kept = 0;
        for (int64_t k = start; k < std::min(n, start + block); ++k) {
            kept[n_kept] = row(k);
            n_kept += code[row(k)] >= 0;
        }
        for (int64_t k = 0; k < n_kept; ++k) work(kept[k]);
    }
}

// How a place in a bucket says whose event lies there, and in which row it was; both are below 2^31.
inline int64_t place_of(int64_t user, int64_t row) { return user << 31 | row; }
inline int64_t user_at(int64_t place) { return place >> 31; }
inline int64_t row_at(int64_t place) { return place & 0x7FFFFFFF; }

// One bucket: `tick` and `row` (places, until they are sorted) in order of rows, put in the order of the
// index.
class BucketSort {
  public:
    // Users are counted from the first of the bucket; `offset` is theirs, so it need not begin at 0.
    BucketSort(int64_t* tick, int64_t* row, const int64_t* offset, int64_t n_users)
        : tick_(tick),
          row_(row),
          n_(offset[n_users] - offset[0]) {
        if (n_ <= few_events * n_users) {
            take_users(offset, n_users);
            return;
        }
        users_.resize(static_cast<size_t>(n_users));
        look();
        distribute(offset);
    }

    void finish(const int64_t* tie) {
        Array<Event> spare;
        int64_t begin = 0;
        for (size_t u = 0; users_.empty() && u < end_.size(); begin = end_[u++]) {
            Event* const events = events_.data() + begin;
            const int64_t size = end_[u] - begin;
            if (size > few_events && spare.size() < static_cast<size_t>(size))
                spare.resize(static_cast<size_t>(size));
            if (size > 1) sort_by_time(events, spare.data(), size);
            if (tie) sort_ties(events, size, tie);
        }
        size_t from = 0;
        for (const User& user : users_) {
            Event* const events = events_.data() + from;
            if (user.late)
                for (size_t slot = 0; slot < user.slots; ++slot) {
                    const size_t to = end_[user.first_slot + slot];
                    const size_t size = to - from;
                    if (size > few_events && spare.size() < size) spare.resize(size);
                    if (size > 1)
                        sort_by_time(events_.data() + from, spare.data(), static_cast<int64_t>(size));
                    from = to;
                }
            else if (user.slots)
                from = end_[user.first_slot];
            if (tie) sort_ties(events, events_.data() + from - events, tie);
        }
        for (int64_t p = 0; p < n_; ++p) {
            tick_[p] = events_[static_cast<size_t>(p)].tick;
            row_[p] = events_[static_cast<size_t>(p)].row;
        }
    }

  private:
    struct User {
        int64_t least = INT64_MAX, most = INT64_MIN, last = INT64_MIN;
        bool late = false;  // does an event come after a later one?
        uint32_t slots = 0, first_slot = 0;
        double slots_a_tick = 0.0;
    };
    static constexpr int64_t most_slots = 1
                                          << 15;  // of one user: what is scattered to must stay in the cache

    // Users of a handful each, who are sorted one by one.
    void take_users(const int64_t* offset, int64_t n_users) {
        end_.resize(static_cast<size_t>(n_users));
        for (size_t u = 0; u < end_.size(); ++u) end_[u] = static_cast<uint32_t>(offset[u] - offset[0]);
        events_.resize(static_cast<size_t>(n_));
        for (int64_t p = 0; p < n_; ++p)
            events_[end_[static_cast<size_t>(user_at(row_[p]))]++] = {tick_[p], row_at(row_[p])};
    }

    void look() {
        for (int64_t p = 0; p < n_; ++p) {
            User& user = users_[static_cast<size_t>(user_at(row_[p]))];
            user.late |= tick_[p] < user.last;
            user.last = tick_[p];
            user.least = std::min(user.least, tick_[p]);
            user.most = std::max(user.most, tick_[p]);
        }
    }

    void distribute(const int64_t* offset) {
        uint32_t n_slots = 0;
        for (size_t u = 0; u < users_.size(); ++u) {
            User& user = users_[u];
            const int64_t size = offset[u + 1] - offset[u];
            const uint64_t range = static_cast<uint64_t>(user.most) - static_cast<uint64_t>(user.least);
            const bool spreads = user.late && size > few_events && range < (uint64_t{1} << 62);
            user.slots = static_cast<uint32_t>(spreads ? std::min(size, most_slots) : size > 0);
            user.first_slot = n_slots;
            if (spreads) user.slots_a_tick = user.slots / (static_cast<double>(range) + 1.0);
            n_slots += user.slots;
        }
        end_.assign(n_slots, 0);
        slot_.resize(static_cast<size_t>(n_));
        for (int64_t p = 0; p < n_; ++p) {
            const User& user = users_[static_cast<size_t>(user_at(row_[p]))];
            const auto after = static_cast<double>(tick_[p] - (user.slots > 1 ? user.least : tick_[p]));
            const auto slot = static_cast<uint32_t>(after * user.slots_a_tick);  // never falls with time
            slot_[static_cast<size_t>(p)] = user.first_slot + std::min(slot, user.slots - 1);
            ++end_[slot_[static_cast<size_t>(p)]];
        }
        uint32_t sum = 0;
        for (auto& end : end_) sum += std::exchange(end, sum);
        events_.resize(static_cast<size_t>(n_));
        for (int64_t p = 0; p < n_; ++p)
            events_[end_[slot_[static_cast<size_t>(p)]]++] = {tick_[p], row_at(row_[p])};
    }

    int64_t *tick_, *row_;
    int64_t n_;
    Array<User> users_;
    Array<uint32_t> end_;   // [n_slots, or users] of the slot's events: its begin, until they are there
    Array<uint32_t> slot_;  // [n]
    Array<Event> events_;
};

// The rows of a log by buckets, in order of rows inside each. Which place a row has is not kept: whoever asks
// walks the rows as they came, which reads and writes the log in order, and each bucket too.
class Partition {
  public:
    // IN code int32[n] (-1: left out), offset int64[n_users + 1]
    Partition(const int32_t* code, int64_t n, const int64_t* offset, int64_t n_users, int n_threads)
        : buckets(offset, n_users, std::clamp<int64_t>(offset[n_users] / bucket_rows, 1, 1024)),
          code_(code),
          n_(n),
          n_parts_(std::max<int64_t>(1, std::min<int64_t>(n_threads, n >> 16))),
          n_threads_(n_threads),
          all_(offset[n_users] == n) {
        // Where each part begins in a bucket: the first at its begin, the last at its end and backward, those
        // between behind the parts before them, which are counted.
        const size_t n_buckets = buckets.first_user.size() - 1;
        begin_.assign(static_cast<size_t>(n_parts_), std::vector<int64_t>(n_buckets));
        for_each_piece(n_parts_ - 2, n_threads, [&](int64_t part) {
            int64_t* const count = begin_[static_cast<size_t>(part) + 1].data();
            for_each_kept<false>(code, cut(part), cut(part + 1), all_,
                                 [&](int64_t i) { ++count[buckets.of_user[static_cast<size_t>(code[i])]]; });
        });
        for (size_t b = 0; b < n_buckets; ++b) {
            begin_.back()[b] = offset[buckets.first_user[b + 1]] - 1;
            begin_[0][b] = offset[buckets.first_user[b]];
            for (size_t part = 1; part + 1 < begin_.size(); ++part) begin_[part][b] += begin_[part - 1][b];
        }
    }

    // Calls work(row, its bucket, its place, the place of what the bucket has 16 rows on, to be fetched).
    template <class Work>
    void walk(Work&& work) const {
        for_each_piece(n_parts_, n_threads_, [&](int64_t part) {
            if (part && part + 1 == n_parts_)
                walk_part<-1>(part, work);
            else
                walk_part<1>(part, work);
        });
    }

    const Buckets buckets;

  private:
    static constexpr int64_t bucket_rows = 1 << 15;
    int64_t cut(int64_t part) const { return n_ * part / n_parts_; }

    template <int step, class Work>
    void walk_part(int64_t part, const Work& work) const {
        std::vector<int64_t> places = begin_[static_cast<size_t>(part)];
        int64_t* const next = places.data();
        const uint16_t* const of_user = buckets.of_user.data();
        for_each_kept<(step < 0)>(code_, cut(part), cut(part + 1), all_, [&](int64_t i) {
            const auto bucket = of_user[code_[i]];
            const int64_t at = std::exchange(next[bucket], next[bucket] + step);
            work(i, bucket, at, at + 16 * step);
        });
    }

    const int32_t* code_;
    int64_t n_, n_parts_;
    int n_threads_;
    bool all_;
    std::vector<std::vector<int64_t>> begin_;  // [n_parts][n_buckets]
};

// Calls work(bucket, its first user, the user after its last), largest first: a user who has many rows is in
// hand while the other threads do the rest.
template <class Work>
void for_each_bucket(const Buckets& buckets, const int64_t* offset, int n_threads, Work&& work) {
    const auto n_buckets = static_cast<int64_t>(buckets.first_user.size()) - 1;
    const auto first_user = [&](int64_t b) { return buckets.first_user[static_cast<size_t>(b)]; };
    const auto rows_of = [&](int64_t b) { return offset[first_user(b + 1)] - offset[first_user(b)]; };
    std::vector<int64_t> order(static_cast<size_t>(n_buckets));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return rows_of(a) > rows_of(b); });
    for_each_piece(n_buckets, n_threads, [&](int64_t piece) {
        const int64_t b = order[static_cast<size_t>(piece)];
        if (first_user(b) < first_user(b + 1)) work(b, first_user(b), first_user(b + 1));
    });
}

// Where the rows lie in the order of the index but for those between them that are left out; else false, and
// the outputs are rubbish.
inline bool place_in_order(const int32_t* code, const int64_t* tick, const int64_t* tie, int64_t n,
                           int64_t* row, int64_t* sorted_tick) {
    int64_t before = -1, at = 0;
    for (int64_t i = 0; i < n; ++i) {
        if (code[i] < 0) continue;
        if (before >= 0 && code[i] <= code[before]) {
            if (code[i] < code[before] || tick[i] < tick[before]) return false;
            if (tie && tick[i] == tick[before] && tie[i] < tie[before]) return false;
        }
        row[at] = i, sorted_tick[at++] = tick[i];
        before = i;
    }
    return true;
}

// IN  code int32[n] (-1: left out), tick int64[n], tie int64[n] or null, offset int64[n_users + 1]
// OUT row int64[offset[n_users]], sorted_tick int64[offset[n_users]]
inline void sort_events(const int32_t* code, const int64_t* tick, const int64_t* tie, int64_t n,
                        const int64_t* offset, int64_t n_users, int n_threads, int64_t* row,
                        int64_t* sorted_tick) {
    if (!n_users || place_in_order(code, tick, tie, n, row, sorted_tick)) return;
    if (place_arrivals(code, tick, tie, n, offset, n_users, n_threads, row, sorted_tick)) return;
    const Partition partition(code, n, offset, n_users, n_threads);
    const int32_t* const first_user = partition.buckets.first_user.data();
    touch_pages(sorted_tick, offset[n_users], n_threads);
    touch_pages(row, offset[n_users], n_threads);
    partition.walk([=](int64_t i, uint16_t bucket, int64_t at, int64_t soon) {
        __builtin_prefetch(sorted_tick + soon, 1), __builtin_prefetch(row + soon, 1);
        sorted_tick[at] = tick[i];
        row[at] = place_of(code[i] - first_user[bucket], i);
    });
    for_each_bucket(partition.buckets, offset, n_threads, [&](int64_t, int64_t user_from, int64_t user_to) {
        const int64_t from = offset[user_from];
        BucketSort(sorted_tick + from, row + from, offset + user_from, user_to - user_from).finish(tie);
    });
}

}  // namespace cxcore
