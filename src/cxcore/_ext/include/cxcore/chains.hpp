// Chains whose state is the last `order` touches (fewer near the start of a journey), counted out of
// journeys.
//
// States are nodes of a trie: the node after n < order touches is the journey so far; one of `order` touches
// goes on from its suffix, the node without its oldest touch. So (state, channel) names the next state, one
// table of such pairs holds states and steps, and a pair is compared in full. A touch that is at least
// `order` touches behind the start of a window has one state whatever the window: those steps are counted
// by differences, and cost is O(touches + windows * order), however windows overlap.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cxcore/journeys.hpp"
#include "cxcore/markov.hpp"
#include "cxcore/threads.hpp"

namespace cxcore {

class Chain {
  public:
    struct Link {
        int32_t edge, to;  // -1, 0: not known
    };

    // `keeps`: the way of the journeys, for who walks them again.
    Chain(const Journeys& j, int64_t order, bool keeps = false) : order_(order), slots_(64, Slot{0, -1, 0}) {
        new_state(-1, 0, 0);
        count(j, keeps);
    }

    int64_t order() const { return order_; }
    int64_t n_states() const { return static_cast<int64_t>(last.size()); }
    int64_t n_edges() const { return static_cast<int64_t>(from.size()); }

    Link find(int32_t state, int32_t channel) const {
        const uint64_t key = key_of(state, channel);
        for (std::size_t at = first_slot(key);; at = (at + 1) & (slots_.size() - 1)) {
            const Slot& slot = slots_[at];
            if (slot.edge < 0) return {-1, 0};
            if (slot.key == key) return {slot.edge, slot.to};
        }
    }

    // By state; 0 is the start. Those that no journey visits are nodes that others are found by.
    std::vector<int32_t> last;    // channel of its last touch, -1 at the start
    std::vector<int32_t> length;  // touches
    std::vector<int32_t> suffix;  // the state without its oldest touch
    std::vector<double> conversion, null, value;
    // by edge
    std::vector<int32_t> from, to;
    std::vector<double> count_of;
    // Where it is kept: edges in the order in which a Walker asks for them, and by user where they begin.
    std::vector<int32_t> way;
    std::vector<int64_t> way_offset;

  private:
    struct Slot {
        uint64_t key;
        int32_t edge, to;
    };
    int64_t order_;
    std::vector<Slot> slots_;  // open addressing, a power of two, at most half full

    static uint64_t key_of(int32_t state, int32_t channel) {
        return static_cast<uint64_t>(static_cast<uint32_t>(state)) << 32 | static_cast<uint32_t>(channel);
    }
    std::size_t first_slot(uint64_t key) const {
        const uint64_t mixed = (key ^ key >> 29) * 0x9E3779B97F4A7C15u;
        return static_cast<std::size_t>(mixed >> 20) & (slots_.size() - 1);
    }

    int32_t new_state(int32_t channel, int32_t touches, int32_t without) {
        last.push_back(channel);
        length.push_back(touches);
        suffix.push_back(without);
        return static_cast<int32_t>(last.size()) - 1;
    }

    Link find_or_add(int32_t state, int32_t channel) {
        const Link known = find(state, channel);
        if (known.edge >= 0) return known;
        int32_t next;
        if (length[state] < order_) {
            const int32_t without = state == 0 ? 0 : find_or_add(suffix[state], channel).to;
            next = new_state(channel, length[state] + 1, without);
        } else {
            next = find_or_add(suffix[state], channel).to;
        }
        from.push_back(state);
        to.push_back(next);
        const Slot slot{key_of(state, channel), static_cast<int32_t>(from.size()) - 1, next};
        if (2 * from.size() > slots_.size()) grow();
        place(slot);
        return {slot.edge, next};
    }

    void place(const Slot& slot) {
        std::size_t at = first_slot(slot.key);
        while (slots_[at].edge >= 0) at = (at + 1) & (slots_.size() - 1);
        slots_[at] = slot;
    }

    void grow() {
        std::vector<Slot> old(2 * slots_.size(), Slot{0, -1, 0});
        old.swap(slots_);
        for (const Slot& slot : old)
            if (slot.edge >= 0) place(slot);
    }

    struct Counter;
    void count(const Journeys& j, bool keeps);
};

// Walks the journeys of one customer. `visit` has
//   Link next(state, channel)
//   void early(link, state, touch, k)       a step near the start of the window of conversion k (-1: of the
//                                           journey that did not convert)
//   void step(link, state, touch, times)    any other, of so many windows; touches in ascending order
//   void end(state, k)
class Walker {
  public:
    template <class Visit>
    void operator()(const Journeys& j, int64_t u, int64_t order, Visit& visit) {
        const int64_t t0 = j.touch_offset[u], t1 = j.touch_offset[u + 1];
        if (t0 == t1) return;
        change_.assign(static_cast<std::size_t>(t1 - t0), 0);
        state_.resize(static_cast<std::size_t>(t1 - t0));
        const auto begin = [&](int64_t lo, int64_t hi, int64_t k) {
            if (lo == hi) return;
            int32_t state = 0;
            for (int64_t i = lo; i < std::min(hi, lo + order); ++i) {
                const Chain::Link link = visit.next(state, j.channel[i]);
                visit.early(link, state, i, k);
                state = link.to;
            }
            if (hi - lo <= order) return visit.end(state, k);
            state_[lo + order - 1 - t0] = state;
            ++change_[lo + order - 1 - t0];
            --change_[hi - 1 - t0];
        };
        each(j, u, begin);
        int64_t times = 0;
        for (int64_t i = t0; i + 1 < t1; ++i) {
            times += change_[i - t0];
            if (times == 0) continue;
            const Chain::Link link = visit.next(state_[i - t0], j.channel[i + 1]);
            visit.step(link, state_[i - t0], i + 1, static_cast<double>(times));
            state_[i + 1 - t0] = link.to;
        }
        each(j, u, [&](int64_t lo, int64_t hi, int64_t k) {
            if (hi - lo > order) visit.end(state_[hi - 1 - t0], k);
        });
    }

  private:
    std::vector<int64_t> change_;  // windows that begin and end to walk at a touch
    std::vector<int32_t> state_;   // by touch, of windows that began long before

    template <class Window>
    static void each(const Journeys& j, int64_t u, Window window) {
        for (int64_t k = j.conversion_offset[u]; k < j.conversion_offset[u + 1]; ++k)
            window(j.lo[k], j.hi[k], k);
        if (j.null_lo) window(j.null_lo[u], j.null_hi[u], -1);
    }
};

struct Chain::Counter {
    Chain& chain;
    const Journeys& j;
    std::vector<double> lost_count{}, lost_conversion{}, lost_null{}, lost_value{};
    double alike = 1.0;
    bool keeps = false;

    Link next(int32_t state, int32_t channel) {
        const Link link = chain.find_or_add(state, channel);
        if (keeps) chain.way.push_back(link.edge);
        return link;
    }
    void early(Link link, int32_t, int64_t, int64_t) { add(chain.count_of, lost_count, link.edge, alike); }
    void step(Link link, int32_t, int64_t, double times) {
        add(chain.count_of, lost_count, link.edge, alike * times);
    }
    void end(int32_t state, int64_t k) {
        if (k < 0) return add(chain.null, lost_null, state, alike);
        add(chain.conversion, lost_conversion, state, alike);
        add(chain.value, lost_value, state, alike * j.value[k]);
    }
    void finish() {
        for (auto& [sum, lost, size] : {Part{chain.count_of, lost_count, chain.n_edges()},
                                        Part{chain.conversion, lost_conversion, chain.n_states()},
                                        Part{chain.null, lost_null, chain.n_states()},
                                        Part{chain.value, lost_value, chain.n_states()}}) {
            sum.resize(static_cast<std::size_t>(size));
            for (std::size_t i = 0; i < lost.size(); ++i) sum[i] += lost[i];
        }
    }

  private:
    struct Part {
        std::vector<double>& sum;
        std::vector<double>& lost;
        int64_t size;
    };
    static void add(std::vector<double>& sum, std::vector<double>& lost, int32_t at, double x) {
        if (static_cast<std::size_t>(at) >= sum.size()) {
            sum.resize(static_cast<std::size_t>(at) + 1);
            lost.resize(sum.size());
        }
        add_exactly(sum[at], lost[at], x);
    }
};

// Steps and ends of journeys that the chain knows, counted again: of some customers, or as many of each.
// OUT count [n_edges], conversion and null [n_states], added to
struct Recount {
    const Chain& chain;
    double* count;
    double* conversion;
    double* null;
    double alike = 1.0;

    Chain::Link next(int32_t state, int32_t channel) const { return chain.find(state, channel); }
    void early(Chain::Link link, int32_t state, int64_t touch, int64_t) { step(link, state, touch, 1.0); }
    void step(Chain::Link link, int32_t, int64_t, double times) {
        if (link.edge >= 0) count[link.edge] += alike * times;
    }
    void end(int32_t state, int64_t k) { (k < 0 ? null : conversion)[state] += alike; }
};

inline void recount(const Journeys& j, const Chain& chain, double* count, double* conversion, double* null) {
    Recount visit{chain, count, conversion, null};
    Walker walk;
    for (int64_t u = 0; u < j.n_users; ++u) {
        visit.alike = j.times ? j.times[u] : 1.0;
        if (visit.alike != 0.0) walk(j, u, chain.order(), visit);
    }
}

inline void Chain::count(const Journeys& j, bool keeps) {
    Counter counter{*this, j};
    counter.keeps = keeps;
    if (keeps) way.reserve(static_cast<std::size_t>(j.touch_offset[j.n_users]));
    Walker walk;
    for (int64_t u = 0; u < j.n_users; ++u) {
        if (keeps) way_offset.push_back(static_cast<int64_t>(way.size()));
        counter.alike = j.times ? j.times[u] : 1.0;
        walk(j, u, order_, counter);
    }
    counter.finish();
}

}  // namespace cxcore
