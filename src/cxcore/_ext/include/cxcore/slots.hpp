// Sessions of a log in any order by the gap rule, without a sort.
//
// Events of one user that lie no further apart than the gap are of one session, in whatever order they come
// (a silence between two of them is no longer than what lies between the first and the last). So the time of
// each user is cut into slots; of a slot only its first and last tick and the number of its events count, and
// neighbours that are near enough are joined. A slot that spans more than the gap is wide: its few events are
// sorted. Buckets of whole users, as in index.hpp; they are independent, and threads take them as they come.
// The idea is the pigeonhole proof of the maximum-gap problem (Gonzalez 1975).
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "index.hpp"
#include "memory.hpp"
#include "sessions.hpp"
#include "threads.hpp"

namespace cxcore {
namespace slots {

struct Slot {
    int64_t first = INT64_MAX, last = INT64_MIN;
    uint32_t events = 0;
    uint32_t session = 0;  // of all its events; of a wide slot, where its events lie
};

// Sessions of one bucket, users in order, then time.
struct Found {
    Array<int64_t> start, end, events;

    // An event, or a slot of them, that begins at `first`; `again`: the user's session goes on if it can.
    void take(int64_t first, int64_t last, int64_t n, uint64_t gap, bool again) {
        if (again && silence(end.back(), first) <= gap)
            end.back() = last, events.back() += n;
        else
            start.push_back(first), end.push_back(last), events.push_back(n);
    }
    uint32_t session() const { return static_cast<uint32_t>(start.size()) - 1; }
};

class Bucket {
  public:
    // IN tick, user of the bucket, counted from its first; offset of its users, which need not begin at 0;
    // own: one of its users
    Bucket(const int64_t* tick, int32_t* user, const int64_t* offset, int64_t n_users, GapRule rule)
        : tick_(tick),
          user_(user),
          n_(offset[n_users] - offset[0]),
          rule_(rule) {
        cut_time(offset, n_users);
        fill_slots();
        gather_wide();
    }

    // OUT found, count int64[n_users] sessions of each user
    void find(Found& found, int64_t* count) {
        Array<Event> spare;
        Event* events = wide_.data();
        for (size_t u = 0; u < users_.size(); ++u) {
            const size_t before = found.start.size();
            const auto goes_on = [&] { return found.start.size() > before; };
            for (size_t s = users_[u].first_slot; s < users_[u].first_slot + users_[u].slots; ++s) {
                Slot& slot = slots_[s];
                if (!slot.events) continue;
                if (!is_wide(s)) {
                    found.take(slot.first, slot.last, slot.events, rule_.gap, goes_on());
                    slot.session = found.session();
                    continue;
                }
                if (slot.events > few_events && spare.size() < slot.events) spare.resize(slot.events);
                sort_by_time(events, spare.data(), slot.events);
                for (const Event* const end = events + slot.events; events < end; ++events) {
                    found.take(events->tick, events->tick, 1, rule_.gap, s != own_slot_ && goes_on());
                    events->tick = found.session();
                }
            }
            count[u] = static_cast<int64_t>(found.start.size() - before);
        }
    }

    // The session of each event takes the place of its user.
    void label() {
        for (int64_t p = 0; p < n_; ++p)
            user_[p] = static_cast<int32_t>(slots_[slot_[static_cast<size_t>(p)]].session);
        for (const Event& event : wide_) user_[event.row] = static_cast<int32_t>(event.tick);
    }

  private:
    struct User {
        int64_t first = INT64_MAX, last = INT64_MIN;
        uint32_t slots = 0, first_slot = 0;
        double slots_a_tick = 0.0;
    };

    // Every event of the own user is a session: its one slot is wide.
    bool is_wide(size_t s) const {
        return silence(slots_[s].first, slots_[s].last) > rule_.gap || s == own_slot_;
    }

    // As many slots as a user has events, but none shorter than the gap; at least one.
    void cut_time(const int64_t* offset, int64_t n_users) {
        users_.resize(static_cast<size_t>(n_users));
        for (int64_t p = 0; p < n_; ++p) {
            User& user = users_[static_cast<size_t>(user_[p])];
            user.first = std::min(user.first, tick_[p]);
            user.last = std::max(user.last, tick_[p]);
        }
        uint32_t n_slots = 0;
        for (size_t u = 0; u < users_.size(); ++u) {
            User& user = users_[u];
            const auto size = static_cast<uint64_t>(offset[u + 1] - offset[u]);
            const uint64_t range = silence(user.first, user.last);
            const bool is_own = static_cast<int64_t>(u) == rule_.own;
            const bool spreads = size > 1 && range < (uint64_t{1} << 62) && !is_own;
            if (is_own && size) own_slot_ = n_slots;  // without events it has none, and the next user may
            const uint64_t gaps = rule_.gap ? range / rule_.gap : range;
            user.slots = static_cast<uint32_t>(spreads ? std::min(size, gaps + 1) : size > 0);
            user.first_slot = n_slots;
            if (user.slots > 1) user.slots_a_tick = user.slots / (static_cast<double>(range) + 1.0);
            n_slots += user.slots;
        }
        slots_.resize(n_slots);
    }

    void fill_slots() {
        slot_.resize(static_cast<size_t>(n_));
        for (int64_t p = 0; p < n_; ++p) {
            const User& user = users_[static_cast<size_t>(user_[p])];
            const auto after = static_cast<double>(static_cast<int64_t>(silence(user.first, tick_[p])));
            const auto ahead = static_cast<uint32_t>(after * user.slots_a_tick);  // never falls with time
            const uint32_t at = user.first_slot + std::min(ahead, user.slots - 1);
            slot_[static_cast<size_t>(p)] = at;
            Slot& slot = slots_[at];
            slot.first = std::min(slot.first, tick_[p]);
            slot.last = std::max(slot.last, tick_[p]);
            ++slot.events;
        }
    }

    // Events of wide slots, slot by slot, in order of rows; their `row` is the position in the bucket.
    void gather_wide() {
        uint32_t n_wide = 0;
        Array<uint8_t> is_one(slots_.size());
        for (size_t s = 0; s < slots_.size(); ++s) {
            is_one[s] = slots_[s].events && is_wide(s);
            if (is_one[s]) slots_[s].session = std::exchange(n_wide, n_wide + slots_[s].events);
        }
        if (!n_wide) return;
        wide_.resize(n_wide);
        Array<int64_t> at(static_cast<size_t>(n_wide) + 1);  // one more: what is not wide is written there
        size_t n = 0;
        for (int64_t p = 0; p < n_; ++p) {  // without a branch: which events are is noise
            at[n] = p;
            n += is_one[slot_[static_cast<size_t>(p)]];
        }
        for (size_t k = 0; k < n; ++k)
            wide_[slots_[slot_[static_cast<size_t>(at[k])]].session++] = {tick_[at[k]], at[k]};
    }

    const int64_t* tick_;
    int32_t* user_;
    int64_t n_;
    GapRule rule_;
    size_t own_slot_ = SIZE_MAX;
    Array<User> users_;
    Array<Slot> slots_;
    Array<uint32_t> slot_;  // [n]
    Array<Event> wide_;
};

}  // namespace slots

// The table by user and time.
struct SlotSessions {
    Array<int64_t> offset;              // [n_users + 1]
    Array<int64_t> start, end, events;  // [n_sessions]
};

// IN  code int32[n] (-1: left out), tick int64[n], offset int64[n_users + 1] events before each user
// OUT label int32[n] session of each row (-1 where left out), or null; bucket_tick int64[offset[n_users]] and
//     bucket_user int32[offset[n_users]] are room for the work, and rubbish afterwards
inline SlotSessions sessionize_slots(const int32_t* code, const int64_t* tick, int64_t n,
                                     const int64_t* offset, int64_t n_users, GapRule rule, int n_threads,
                                     int64_t* bucket_tick, int32_t* bucket_user, int32_t* label) {
    SlotSessions all;
    all.offset.assign(static_cast<size_t>(n_users) + 1, 0);
    if (label && offset[n_users] < n) std::fill_n(label, n, -1);
    if (!offset[n_users]) return all;
    const Partition partition(code, n, offset, n_users, n_threads);
    const Buckets& buckets = partition.buckets;
    touch_pages(bucket_tick, offset[n_users], n_threads);
    touch_pages(bucket_user, offset[n_users], n_threads);
    partition.walk(
        [=, first_user = buckets.first_user.data()](int64_t i, uint16_t bucket, int64_t at, int64_t soon) {
            __builtin_prefetch(bucket_tick + soon, 1), __builtin_prefetch(bucket_user + soon, 1);
            bucket_tick[at] = tick[i];
            bucket_user[at] = code[i] - first_user[bucket];
        });
    std::vector<slots::Found> parts(buckets.first_user.size() - 1);
    for_each_bucket(buckets, offset, n_threads, [&](int64_t b, int64_t user_from, int64_t user_to) {
        const int64_t from = offset[user_from];
        const int64_t own = rule.own - user_from;
        const bool has_own = rule.own >= user_from && rule.own < user_to;
        slots::Bucket bucket(bucket_tick + from, bucket_user + from, offset + user_from, user_to - user_from,
                             {rule.gap, has_own ? static_cast<int32_t>(own) : -1});
        bucket.find(parts[static_cast<size_t>(b)], all.offset.data() + user_from + 1);
        if (label) bucket.label();
    });
    for (size_t u = 0; u < static_cast<size_t>(n_users); ++u) all.offset[u + 1] += all.offset[u];
    const auto n_sessions = static_cast<size_t>(all.offset.back());
    all.start.resize(n_sessions), all.end.resize(n_sessions), all.events.resize(n_sessions);
    for_each_bucket(buckets, offset, n_threads, [&](int64_t b, int64_t user_from, int64_t user_to) {
        const slots::Found& part = parts[static_cast<size_t>(b)];
        const int64_t first = all.offset[static_cast<size_t>(user_from)];
        std::copy(part.start.begin(), part.start.end(), all.start.begin() + first);
        std::copy(part.end.begin(), part.end.end(), all.end.begin() + first);
        std::copy(part.events.begin(), part.events.end(), all.events.begin() + first);
    });
    if (!label) return all;
    Array<int32_t> first(parts.size());
    for (size_t b = 0; b < parts.size(); ++b)
        first[b] = static_cast<int32_t>(all.offset[static_cast<size_t>(buckets.first_user[b])]);
    partition.walk([=, first = first.data()](int64_t i, uint16_t bucket, int64_t at, int64_t soon) {
        __builtin_prefetch(bucket_user + soon);
        label[i] = first[bucket] + bucket_user[at];
    });
    return all;
}

}  // namespace cxcore
