// Equal values side by side: where they begin, and a column out of one value for each run.
//
// Most runs are short, and where they end is noise: a loop over each would mispredict its end. So a run
// writes a fixed number of values, whatever its length, and the next one writes over what was too much.
#pragma once

#include <algorithm>
#include <cstdint>

#include "bits.hpp"
#include "memory.hpp"

namespace cxcore {

// out[begin[k] .. begin[k + 1]) = value(k) for the runs [from, to), and nothing beyond begin[to].
template <class T, class Value>
inline void fill_runs(const int64_t* begin, int64_t from, int64_t to, Value&& value, T* out) {
    constexpr int64_t few = 16;
    const int64_t end = begin[to];
    for (int64_t k = from; k < to; ++k) {
        const T mine = static_cast<T>(value(k));
        int64_t p = begin[k];
        do {
            if (p + few > end) {
                std::fill(out + p, out + begin[k + 1], mine);
                break;
            }
            for (int64_t i = 0; i < few; ++i) out[p + i] = mine;
            p += few;
        } while (p < begin[k + 1]);
    }
}

// Equal numbers that lie side by side.
struct Runs {
    Array<int64_t> first, key;  // [n_runs] first row, value

    size_t size() const { return key.size(); }
    bool rise() const {
        bool rise = true;
        for (size_t k = 1; k < key.size(); ++k) rise &= key[k - 1] < key[k];
        return rise;
    }
    // `read(i)` is the value of row `row` + i; rows come in order.
    template <class Read>
    void take(int64_t row, int64_t n, Read&& read) {
        constexpr int64_t stretch = 4096;
        uint64_t word[stretch / word_bits];
        for (int64_t from = 0; from < n; from += stretch) {
            const int64_t to = std::min(n, from + stretch), n_words = words_of(to - from - 1);
            mark_bits(from + 1, to, [read](int64_t i) { return read(i) != read(i - 1); }, word);
            int64_t before[stretch / word_bits + 1];
            count_bits(word, n_words, before);
            const bool is_new = key.empty() || read(from) != key.back();
            size_t at = key.size();
            first.resize(at + is_new + static_cast<size_t>(before[n_words])), key.resize(first.size());
            if (is_new) first[at] = row + from;
            list_bits(word, n_words, row + from + 1, first.data() + at + is_new);
            for (; at < key.size(); ++at) key[at] = read(first[at] - row);
        }
    }
    // Runs of the rows behind; their first may go on with the last here.
    void append(const Runs& later) {
        const bool goes_on = !key.empty() && !later.key.empty() && later.key[0] == key.back();
        first.insert(first.end(), later.first.begin() + goes_on, later.first.end());
        key.insert(key.end(), later.key.begin() + goes_on, later.key.end());
    }
};

}  // namespace cxcore
