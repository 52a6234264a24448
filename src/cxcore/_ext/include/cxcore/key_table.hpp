// Tables of keys: numbers or bytes to dense codes in order of first appearance.
//
// Open addressing with linear probing, at most half full. The hash is seeded once a process, so that no one
// can choose keys that meet in one slot; no answer depends on the seed, since codes follow the rows.
#pragma once

#include <cstdint>
#include <cstring>
#include <random>
#include <string_view>
#include <vector>

namespace cxcore {

inline void append(std::vector<uint8_t>& data, const void* from, size_t size) {
    const size_t at = data.size();
    data.resize(at + size);
    if (size) std::memcpy(data.data() + at, from, size);
}

inline uint64_t mix(uint64_t x) {  // the finalizer of splitmix64 (Steele, Lea, Flood 2014)
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
    return x ^ (x >> 31);
}

// Of this process: who can choose keys still cannot know which of them meet. No answer depends on it.
inline const uint64_t hash_seed = mix(std::random_device{}() + (uint64_t{std::random_device{}()} << 32));

struct NumberKey {
    using Value = int64_t;
    struct Slot {
        int64_t key;
        int32_t code = -1;
        uint32_t count = 0;
    };
    static uint64_t hash(Value key) { return mix(static_cast<uint64_t>(key) ^ hash_seed); }
    static bool same(const Slot& slot, uint64_t, Value key) { return slot.key == key; }
    static bool equal(Value a, Value b) { return a == b; }
    static void fill(Slot& slot, uint64_t, Value key) { slot.key = key; }
    static uint64_t hash_of(const Slot& slot) { return hash(slot.key); }
    static Value value_of(const Slot& slot) { return slot.key; }
    static void write(std::vector<uint8_t>& data, Value key) { append(data, &key, 8); }
    static void touch(const Slot&) {}
};

struct BytesKey {
    using Value = std::string_view;
    struct Slot {
        uint64_t hash;
        const char* data;
        uint32_t size;
        int32_t code = -1;
        uint64_t count = 0;
    };
    static uint64_t hash(Value key) {
        const char* at = key.data();
        const size_t n = key.size();
        uint64_t h = hash_seed ^ n;
        if (n < 8) return mix(h ^ up_to_seven(at, n));
        for (size_t left = n; left > 8; left -= 8, at += 8) h = fold(h ^ eight(at));
        return mix(fold(h ^ eight(key.data() + n - 8)));
    }
    static bool same(const Slot& slot, uint64_t hash, Value key) {
        return slot.hash == hash && equal({slot.data, slot.size}, key);
    }
    static bool equal(Value a, Value b) {
        const size_t n = a.size();
        if (n != b.size()) return false;
        if (n > 16) return std::memcmp(a.data(), b.data(), n) == 0;
        if (n < 8) return up_to_seven(a.data(), n) == up_to_seven(b.data(), n);
        return eight(a.data()) == eight(b.data()) && eight(a.data() + n - 8) == eight(b.data() + n - 8);
    }
    static void fill(Slot& slot, uint64_t hash, Value key) {
        slot.hash = hash, slot.data = key.data(), slot.size = static_cast<uint32_t>(key.size());
    }
    static uint64_t hash_of(const Slot& slot) { return slot.hash; }
    static Value value_of(const Slot& slot) { return {slot.data, slot.size}; }
    static void write(std::vector<uint8_t>& data, Value key) { append(data, key.data(), key.size()); }
    static void touch(const Slot& slot) { __builtin_prefetch(slot.data); }

  private:
    static uint64_t eight(const char* at) {
        uint64_t word;
        std::memcpy(&word, at, 8);
        return word;
    }
    static uint64_t up_to_seven(const char* at, size_t n) {  // different bytes, different word, for one n
        if (n >= 4) {
            uint32_t first, last;
            std::memcpy(&first, at, 4);
            std::memcpy(&last, at + n - 4, 4);
            return first | static_cast<uint64_t>(last) << 32;
        }
        if (n == 0) return 0;
        const auto byte = [=](size_t i) { return static_cast<uint64_t>(static_cast<uint8_t>(at[i])); };
        return byte(0) | byte(n / 2) << 8 | byte(n - 1) << 16;
    }
    static uint64_t fold(uint64_t x) {  // both halves of a 128-bit product, so no input bit is lost
        const auto product = static_cast<unsigned __int128>(x) * 0xD6E8FEB86659FD93ULL;
        return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
    }
};

template <class Key>
class KeyTable {
  public:
    using Slot = typename Key::Slot;
    using Value = typename Key::Value;

    KeyTable() : slots_(1 << 10), mask_(slots_.size() - 1) {}

    const Slot& slot(uint64_t hash) const { return slots_[hash & mask_]; }
    void prefetch(uint64_t hash) const { __builtin_prefetch(&slots_[hash & mask_]); }

    // The slot of a key, made where it is new; `row` is kept as its first.
    Slot& find(uint64_t hash, Value key, int64_t row) {
        for (uint64_t at = hash & mask_;; at = (at + 1) & mask_) {
            Slot& slot = slots_[at];
            if (slot.code < 0) return insert(at, hash, key, row);
            if (Key::same(slot, hash, key)) return slot;
        }
    }
    int64_t size() const { return static_cast<int64_t>(first_.size()); }
    bool is_large() const {
        return slots_.size() * sizeof(Slot) > (1 << 15);
    }  // more than a first-level cache
    const std::vector<int64_t>& first() const { return first_; }
    std::vector<const Slot*> by_code() const {
        std::vector<const Slot*> sorted(first_.size());
        for (const auto& slot : slots_)
            if (slot.code >= 0) sorted[static_cast<size_t>(slot.code)] = &slot;
        return sorted;
    }

  private:
    Slot& insert(uint64_t at, uint64_t hash, Value key, int64_t row) {
        if (2 * (first_.size() + 1) > slots_.size()) {
            grow();
            at = hash & mask_;
            while (slots_[at].code >= 0) at = (at + 1) & mask_;
        }
        Slot& slot = slots_[at];
        Key::fill(slot, hash, key);
        slot.code = static_cast<int32_t>(first_.size());
        first_.push_back(row);
        return slot;
    }
    void grow() {
        std::vector<Slot> old(slots_.size() * 4);
        old.swap(slots_);
        mask_ = slots_.size() - 1;
        for (const auto& slot : old) {
            if (slot.code < 0) continue;
            uint64_t at = Key::hash_of(slot) & mask_;
            while (slots_[at].code >= 0) at = (at + 1) & mask_;
            slots_[at] = slot;
        }
    }

    std::vector<Slot> slots_;
    uint64_t mask_;
    std::vector<int64_t> first_;
};

}  // namespace cxcore
