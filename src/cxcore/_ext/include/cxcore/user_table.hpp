// What a stream knows of its users: a code for each key that lasts as long as the table, and one record of
// `width` whole numbers for each code, zeros at first. What the numbers say is the stream's affair.
//
// Keys come as canonical bytes, so a number and a text meet in one table (docs/adr/0003). They are looked up
// in blocks: what a step looks at was asked for by the step before, so that no key waits for memory. `meet`
// costs what the batch and the open rows have, not what the table knows: its marks are taken away again.
// Why codes outlive a call: docs/adr/0013.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "key_table.hpp"
#include "memory.hpp"

namespace cxcore {

class UserTable {
  public:
    explicit UserTable(int64_t width) : width_(static_cast<size_t>(width)) {}

    int64_t width() const { return static_cast<int64_t>(width_); }
    int64_t size() const { return keys_.size(); }
    int64_t n_bytes() const {
        return static_cast<int64_t>(keys_.n_bytes() + 8 * blocks_.size() * width_ * per_block +
                                    4 * place_.capacity());
    }

    // IN  offset int64[n + 1], data uint8[]: keys in canonical bytes; OUT code int32[n], new ones made
    void encode(const int64_t* offset, const uint8_t* data, int64_t n, int32_t* code) {
        make_room(static_cast<size_t>(n), static_cast<size_t>(offset[n] - offset[0]));
        constexpr int64_t block = 32;
        Bytes key[block];
        uint32_t hash[block];
        const auto* text = reinterpret_cast<const char*>(data);
        for (int64_t from = 0; from < n; from += block) {
            const int64_t size = std::min(block, n - from);
            for (int64_t i = 0; i < size; ++i) {
                const int64_t at = offset[from + i];
                key[i] = Bytes::of(text + at, static_cast<size_t>(offset[from + i + 1] - at));
                hash[i] = static_cast<uint32_t>(BytesKey::hash(key[i]));
                keys_.ask_for(hash[i]);
            }
            for (int64_t i = 0; i < size; ++i) keys_.ask_for_known(keys_.likely(hash[i]));
            for (int64_t i = 0; i < size; ++i) keys_.ask_for_bytes(keys_.likely(hash[i]));
            for (int64_t i = 0; i < size; ++i) code[from + i] = keys_.find(hash[i], key[i], 0);
        }
        fill_up();
    }
    // The code that rows without a user share.
    int32_t nobody() {
        make_room(1, 1);
        const int32_t code = keys_.null_code(0);
        fill_up();
        return code;
    }

    // The users of a step, and the place of each open row among them, -1 where its user is none of them.
    // IN  batch int32[n_batch] codes, no two alike; open int32[n_open]; due uint8[n_open]: its user is one of
    //     them in any case; last: the code that comes last among them, or -1
    // OUT users: those of the batch, those of due rows, the last; place int32[n_open]
    Array<int32_t> meet(const int32_t* batch, int64_t n_batch, const int32_t* open, const uint8_t* due,
                        int64_t n_open, int32_t last, int32_t* place) {
        Array<int32_t> users;
        users.reserve(static_cast<size_t>(n_batch + n_open) + 1);
        const auto take = [&](int32_t code) {
            int32_t& at = place_[static_cast<size_t>(code)];
            if (at >= 0) return;
            at = static_cast<int32_t>(users.size());
            users.push_back(code);
        };
        for (int64_t i = 0; i < n_batch; ++i) take(batch[i]);
        for (int64_t i = 0; i < n_open; ++i)
            if (due[i] && open[i] != last) take(open[i]);
        if (last >= 0) take(last);
        for (int64_t i = 0; i < n_open; ++i) place[i] = place_[static_cast<size_t>(open[i])];
        for (const int32_t code : users) place_[static_cast<size_t>(code)] = -1;
        return users;
    }

    // Records of some codes. IN code int32[n]; OUT facts int64[n][width]
    void get(const int32_t* code, int64_t n, int64_t* facts) const {
        each(code, n,
             [&](int64_t i, const int64_t* record) { std::copy_n(record, width_, facts + i * width()); });
    }
    // IN  code int32[n], facts int64[n][width]; of a code that is there twice the later stays
    void put(const int32_t* code, int64_t n, const int64_t* facts) noexcept {
        each(code, n, [&](int64_t i, int64_t* record) { std::copy_n(facts + i * width(), width_, record); });
    }

    // One number of each record, by code. OUT line int64[size]
    void line(int64_t number, int64_t* to) const {
        for (int32_t code = 0; code < keys_.size(); ++code) to[code] = record(code)[number];
    }

    // The keys of some codes in canonical bytes. OUT offset int64[n + 1] into data
    void keys(const int32_t* code, int64_t n, Array<int64_t>& offset, Array<uint8_t>& data) {
        offset.assign(1, 0);
        for (int64_t i = 0; i < n; ++i) {
            const auto c = static_cast<size_t>(code[i]);
            const int64_t from = keys_.offset()[c], to = keys_.offset()[c + 1];
            append(data, keys_.data().data() + from, static_cast<size_t>(to - from));
            offset.push_back(static_cast<int64_t>(data.size()));
        }
    }

  private:
    static constexpr size_t per_block = 1024;

    // All that a later step allocates, so that none fails half done. Blocks of records stay where they are.
    void make_room(size_t n_keys, size_t n_bytes) {
        keys_.make_room(n_keys, n_bytes);
        cxcore::make_room(place_, n_keys);
        while (blocks_.size() * per_block < place_.size() + n_keys)
            blocks_.emplace_back(width_ * per_block, 0);
    }
    void fill_up() { place_.resize(static_cast<size_t>(keys_.size()), -1); }
    int64_t* record(int32_t code) const {
        const auto c = static_cast<size_t>(code);
        return const_cast<int64_t*>(blocks_[c / per_block].data()) + c % per_block * width_;
    }
    template <class Use>
    void each(const int32_t* code, int64_t n, Use&& use) const {
        constexpr int64_t ahead = 16;
        for (int64_t i = 0; i < n; ++i) {
            if (i + ahead < n) {
                const int64_t* next = record(code[i + ahead]);
                __builtin_prefetch(next, 1);
                __builtin_prefetch(next + width_ - 1, 1);
            }
            use(i, record(code[i]));
        }
    }

    size_t width_;
    KeyTable<BytesKey> keys_;
    std::vector<Array<int64_t>> blocks_;  // [n_keys][width] in blocks
    Array<int32_t> place_;                // [n_keys] -1 but inside `meet`
};

}  // namespace cxcore
