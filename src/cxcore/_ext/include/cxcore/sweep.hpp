// Chains with each channel taken out, all copies at once, to a certified error.
//
// With p the chance of a step and P the matrix of steps between states of which none ends in channel c,
// visits are y = s + P'y and chances to convert h = r + P h. A sweep goes y += x, x <- P'x from x = s; x is
// what is still in transit, and whatever y is, the truth lies within |x| of r.y: h is between 0 and 1. So any
// shortcut may be taken with y that keeps x = s - (I - P')y: every few steps two earlier x are added, so that
// what is left is least in square (reduced rank extrapolation, Sidi 2017, chapter 2), and journeys of a
// thousand touches take no thousands of steps. Rounding of each step is part of the bound (Higham 2002, 3.1).
// Rows are pieces of work, sums of pieces are added in their order: the same bits for any threads.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "cxcore/chains.hpp"
#include "cxcore/clones.hpp"
#include "cxcore/threads.hpp"
#include "cxcore/uncertainty.hpp"

namespace cxcore {

constexpr int64_t kAhead = 16;  // so many steps before a row of a table is read, it is called into the caches

struct Steps {  // sparse rows: the other state of each step, and its chance
    std::vector<int64_t> offset;
    std::vector<int32_t> other;  // kAhead more of them than steps
    std::vector<double> p;
};

// The states that can lead to a conversion, and how they are left; others are null by another name. A step
// from a state to itself changes no chance, and is left out.
struct Live {
    std::vector<int32_t> place;           // by state of the chain, -1: cannot convert
    std::vector<int32_t> last;            // by live state, as all below: channel of the last touch
    std::vector<double> start;            // journeys that begin with it
    std::vector<double> out;              // steps out of it
    std::vector<double> converts, earns;  // conversions and value right after it, for each of those
    Steps ahead, behind;                  // rows: from, to

    explicit Live(const Chain& chain) : place(static_cast<std::size_t>(chain.n_states()), -1) {
        find(chain);
        for (int64_t i = 1; i < chain.n_states(); ++i)
            if (place[i] >= 0) {
                place[i] = size();
                last.push_back(chain.last[i]);
                out.push_back(chain.conversion[i] + chain.null[i]);
                converts.push_back(chain.conversion[i]);
                earns.push_back(chain.value[i]);
            }
        fill(chain);
    }
    int32_t size() const { return static_cast<int32_t>(last.size()); }

  private:
    void find(const Chain& chain) {  // backward from the conversions
        const Steps into = rows(chain, chain.to, chain.from, chain.n_states(), [](int32_t i) { return i; });
        std::vector<int32_t> todo;
        const auto reach = [&](int32_t i) {
            if (i == 0 || place[i] >= 0) return;
            place[i] = 0;
            todo.push_back(i);
        };
        for (int64_t i = 1; i < chain.n_states(); ++i)
            if (chain.conversion[i] > 0.0) reach(static_cast<int32_t>(i));
        while (!todo.empty()) {
            const int32_t i = todo.back();
            todo.pop_back();
            for (int64_t e = into.offset[i]; e < into.offset[i + 1]; ++e) reach(into.other[e]);
        }
    }

    // Steps that were taken, by the state in `row`.
    template <class Place>
    static Steps rows(const Chain& chain, const std::vector<int32_t>& row, const std::vector<int32_t>& other,
                      int64_t n, Place at) {
        Steps steps;
        steps.offset.assign(static_cast<std::size_t>(n) + 1, 0);
        const auto counts = [&](std::size_t e) {
            return chain.count_of[e] > 0.0 && row[e] != other[e] && at(row[e]) >= 0 && at(other[e]) >= 0;
        };
        for (std::size_t e = 0; e < row.size(); ++e)
            if (counts(e)) ++steps.offset[at(row[e]) + 1];
        for (int64_t i = 0; i < n; ++i) steps.offset[i + 1] += steps.offset[i];
        steps.p.resize(static_cast<std::size_t>(steps.offset[n]));
        steps.other.resize(steps.p.size() + kAhead);
        std::vector<int64_t> next(steps.offset.begin(), steps.offset.end() - 1);
        for (std::size_t e = 0; e < row.size(); ++e)
            if (counts(e)) {
                const int64_t to = next[at(row[e])]++;
                steps.other[to] = at(other[e]);
                steps.p[to] = chain.count_of[e];
            }
        return steps;
    }

    void fill(const Chain& chain) {
        start.assign(last.size(), 0.0);
        for (std::size_t e = 0; e < chain.from.size(); ++e) {
            const int32_t i = chain.from[e], j = chain.to[e];
            if (i == 0) {
                if (place[j] >= 0) start[place[j]] += chain.count_of[e];
            } else if (i != j && place[i] >= 0) {
                out[place[i]] += chain.count_of[e];
            }
        }
        const auto at = [&](int32_t i) { return i == 0 ? -1 : place[i]; };
        ahead = rows(chain, chain.from, chain.to, size(), at);
        behind = rows(chain, chain.to, chain.from, size(), at);
        for (int32_t i = 0; i < size(); ++i) {
            for (int64_t e = ahead.offset[i]; e < ahead.offset[i + 1]; ++e) ahead.p[e] /= out[i];
            converts[i] /= out[i];
            earns[i] /= out[i];
        }
        for (std::size_t e = 0; e < behind.p.size(); ++e) behind.p[e] /= out[behind.other[e]];
    }
};

// ---------------------------------------------------------------------------------------------- the sweep

// row = sum of p[e] x[other[e]] over rows of x; there are kAhead steps more behind the last.
CXCORE_CLONES inline void gather(const double* x, const int32_t* other, const double* p, int64_t n_steps,
                                 int64_t width, double* row) {
    std::fill(row, row + width, 0.0);
    for (int64_t e = 0; e < n_steps; ++e) {
        const double* const from = x + other[e] * width;
        const double* const soon = x + other[e + kAhead] * width;
        for (int64_t c = 0; c < width; c += 8) __builtin_prefetch(soon + c);
        for (int64_t c = 0; c < width; ++c) row[c] += p[e] * from[c];
    }
}

CXCORE_CLONES inline void add_rows(const double* one, const double* two, int64_t n, double* sum) {
    for (int64_t c = 0; c < n; ++c) sum[c] += one[c] + two[c];
}

CXCORE_CLONES inline void add_sizes(const double* x, double weight, int64_t n, double* sum) {
    for (int64_t c = 0; c < n; ++c) sum[c] += weight * std::abs(x[c]);
}

struct Copy {  // one copy of the chain: sums of the present x and of the two before it, and of y
    enum Sum { kMass, kConverts, kEarns, kX1, kX2, kD11, kD12, kD22, kSums };
    double now[kSums] = {}, before[kSums] = {}, long_before[kSums] = {};
    double converts = 0.0, earns = 0.0, lost_converts = 0.0, lost_earns = 0.0;
    double rounding = 0.0;

    void add(const double* x, double times) {
        add_exactly(converts, lost_converts, times * x[kConverts]);
        add_exactly(earns, lost_earns, times * x[kEarns]);
    }
};

// Copy w has channel first + w taken out; no copy has one taken out where first is kNone.
class Sweep {
  public:
    static constexpr int32_t kNone = -(1 << 30);

    // Large arrays, which one sweep can leave to the next: new pages cost as much as some steps.
    struct Room {
        std::vector<double> x[3], parts;  // [n, w]: now, before, long before; sums by piece
    };

    // `back`: chances in the place of visits. `source` [n] for all copies, or [n, n_copies]. What adds up,
    // with what is in transit, goes to total [n, n_copies] where it is there.
    Sweep(const Live& live, bool back, const double* source, bool own_source, int32_t first, int64_t n_copies,
          double* total, Room& room)
        : live_(live),
          steps_(back ? live.ahead : live.behind),
          back_(back),
          first_(first),
          w_(n_copies),
          total_(total),
          copies_(static_cast<std::size_t>(n_copies)),
          x_(room.x),
          parts_(room.parts) {
        for (int k = 0; k < 3; ++k) x_[k].resize(static_cast<std::size_t>(live.size() * w_));
        for (int64_t i = 0; i < live.size(); ++i)
            most_ = std::max(most_, steps_.offset[i + 1] - steps_.offset[i]);
        make(1, false, [&](int64_t i, double* row) {
            for (int64_t c = 0; c < w_; ++c) row[c] = source[own_source ? i * w_ + c : i];
            mask(row, i);
            if (total_) add_row(row, 1.0, w_, total_ + i * w_);
        });
    }

    // Multiplications in a step.
    int64_t work() const { return (static_cast<int64_t>(steps_.p.size()) + live_.size()) * w_ + 1; }
    int64_t n_steps() const { return taken_; }
    // Conversions and value of copy w, and the most that the first can be off.
    double converts(int64_t w) const { return copies_[w].converts + copies_[w].lost_converts; }
    double earns(int64_t w) const { return copies_[w].earns + copies_[w].lost_earns; }
    double error(int64_t w) const { return copies_[w].now[Copy::kMass] + copies_[w].rounding; }

    // Takes steps until no copy has more than `enough` in transit, n_steps at most. Is it done?
    bool advance(int64_t n_steps, double enough, int n_threads) {
        for (int64_t k = 0; k < n_steps && !small(enough); ++k) {
            step(n_threads);
            if (taken_ % kRest == 0 && !small(enough)) extrapolate(n_threads);
        }
        return small(enough);
    }

    // After the last step: what the total is owed.
    void settle() {
        if (owes_) add_row(x_[0].data(), 1.0, live_.size() * w_, total_);
        owes_ = false;
    }

  private:
    static constexpr int64_t kRest = 8;       // steps between shortcuts, 4 or more, even: none is owed
    static constexpr int64_t kPiece = 64;     // rows
    static constexpr double kUnit = 1.2e-16;  // of rounding, 2^-53
    const Live& live_;
    const Steps& steps_;
    bool back_;
    int32_t first_;
    int64_t w_;
    double* total_;
    std::vector<Copy> copies_;
    std::vector<double>* const x_;
    std::vector<double>& parts_;
    int64_t most_ = 0, taken_ = 0;
    bool owes_ = false;  // the last x to the total: two at once cost half the way there and back

    void mask(double* row, int64_t i) const {
        const int64_t at = static_cast<int64_t>(live_.last[i]) - first_;
        if (at >= 0 && at < w_) row[at] = 0.0;
    }
    bool small(double enough) const {
        for (const Copy& copy : copies_)
            if (copy.now[Copy::kMass] > enough) return false;
        return true;
    }

    void step(int n_threads) {
        for (Copy& copy : copies_) {
            copy.add(copy.now, 1.0);
            copy.rounding += kUnit * static_cast<double>(most_ + kPiece + 8) * copy.now[Copy::kMass];
            std::copy(copy.before, copy.before + Copy::kSums, copy.long_before);
            std::copy(copy.now, copy.now + Copy::kSums, copy.before);
        }
        std::swap(x_[2], x_[1]);
        std::swap(x_[1], x_[0]);
        const double* const from = x_[1].data();
        make(n_threads, ++taken_ % kRest == 0, [&](int64_t i, double* row) {
            const int64_t e = steps_.offset[i];
            gather(from, steps_.other.data() + e, steps_.p.data() + e, steps_.offset[i + 1] - e, w_, row);
            mask(row, i);
            if (owes_) add_rows(row, from + i * w_, w_, total_ + i * w_);
        });
        owes_ = total_ && !owes_;
    }

    void extrapolate(int n_threads) {
        std::vector<double> b(static_cast<std::size_t>(2 * w_));
        double* const b1 = b.data();
        double* const b2 = b1 + w_;
        for (int64_t c = 0; c < w_; ++c) {
            Copy& copy = copies_[c];
            least(copy.now, b1[c], b2[c]);
            copy.add(copy.before, b1[c]);
            copy.add(copy.long_before, b2[c]);
            const double one = copy.now[Copy::kMass] + copy.before[Copy::kMass];
            const double two = copy.before[Copy::kMass] + copy.long_before[Copy::kMass];
            const double moved = std::abs(b1[c]) * one + std::abs(b2[c]) * two;
            copy.rounding += kUnit * static_cast<double>(kPiece + 8) * (one + moved);
        }
        make(n_threads, false, [&](int64_t i, double* row) {
            const double* const one = x_[1].data() + i * w_;
            const double* const two = x_[2].data() + i * w_;
            double* const total = total_ ? total_ + i * w_ : nullptr;
            for (int64_t c = 0; c < w_; ++c) {
                const double less = b1[c] * (one[c] - row[c]) + b2[c] * (two[c] - one[c]);
                row[c] -= less;
                if (total) total[c] += b1[c] * one[c] + b2[c] * two[c] - less;
            }
        });
    }

    // Multiples of the two differences that leave least of x, in square.
    static void least(const double* s, double& b1, double& b2) {
        const double d11 = s[Copy::kD11], d12 = s[Copy::kD12], d22 = s[Copy::kD22];
        const double det = d11 * d22 - d12 * d12;
        b1 = b2 = 0.0;
        if (det > 1e-10 * d11 * d22) {
            b1 = (s[Copy::kX1] * d22 - s[Copy::kX2] * d12) / det;
            b2 = (s[Copy::kX2] * d11 - s[Copy::kX1] * d12) / det;
        } else if (d11 > 0.0) {
            b1 = s[Copy::kX1] / d11;
        }
    }

    // Makes x row by row, and takes its sums.
    template <class Row>
    void make(int n_threads, bool products, Row row) {
        const int64_t n = live_.size(), n_pieces = (n + kPiece - 1) / kPiece, width = Copy::kSums * w_;
        parts_.assign(static_cast<std::size_t>(n_pieces * width), 0.0);
        for_each_block(n, kPiece, n_threads, [&](int64_t from, int64_t end) {
            double* const part = parts_.data() + from / kPiece * width;
            for (int64_t i = from; i < end; ++i) {
                row(i, x_[0].data() + i * w_);
                take_sums(i, part);
                if (products) take_products(i, part);
            }
        });
        for (int64_t c = 0; c < w_; ++c)
            for (int64_t s = 0; s < (products ? Copy::kSums : Copy::kX1); ++s) {
                double sum = 0.0, lost = 0.0;
                for (int64_t k = 0; k < n_pieces; ++k) add_exactly(sum, lost, parts_[k * width + s * w_ + c]);
                copies_[c].now[s] = sum + lost;
            }
    }

    // Visits count as they are, chances by the steps out of their state.
    void take_sums(int64_t i, double* part) const {
        const double* const x = x_[0].data() + i * w_;
        const double weight = back_ ? live_.out[i] : 1.0, converts = live_.converts[i],
                     earns = live_.earns[i];
        add_sizes(x, weight, w_, part + Copy::kMass * w_);
        if (converts == 0.0 && earns == 0.0) return;
        add_row(x, converts, w_, part + Copy::kConverts * w_);
        add_row(x, earns, w_, part + Copy::kEarns * w_);
    }

    void take_products(int64_t i, double* part) const {
        const double* const x = x_[0].data() + i * w_;
        const double* const one = x_[1].data() + i * w_;
        const double* const two = x_[2].data() + i * w_;
        const double weight = back_ ? live_.out[i] : 1.0 / live_.out[i];
        for (int64_t c = 0; c < w_; ++c) {
            const double d1 = one[c] - x[c], d2 = two[c] - one[c];
            part[Copy::kX1 * w_ + c] += weight * x[c] * d1;
            part[Copy::kX2 * w_ + c] += weight * x[c] * d2;
            part[Copy::kD11 * w_ + c] += weight * d1 * d1;
            part[Copy::kD12 * w_ + c] += weight * d1 * d2;
            part[Copy::kD22 * w_ + c] += weight * d2 * d2;
        }
    }
};

}  // namespace cxcore
