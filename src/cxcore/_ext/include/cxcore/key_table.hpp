// Tables of keys: numbers or bytes to dense codes in order of first appearance.
//
// An index of 8 bytes a slot (open addressing, linear probing, at most a quarter full) points to what is
// known of each key, in the order of the codes: frequent keys appear early, so what is asked most lies
// together. The index keeps 32 bits of the hash, which spare nearly every other comparison and decide none:
// keys are equal where their bytes are. The hash is seeded once a process, so that no one can choose keys
// that meet in one slot; no answer depends on the seed, since codes follow the rows.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>

#include "memory.hpp"

namespace cxcore {

inline void append(Array<uint8_t>& data, const void* from, size_t size) {
    const size_t at = data.size();
    data.resize(at + size);
    if (size) std::memcpy(data.data() + at, from, size);
}

// Room for n more values without another allocation; at least twice what there was, so that many small
// steps copy each value a few times in all.
template <class T>
void make_room(Array<T>& values, size_t n) {
    if (values.capacity() - values.size() < n)
        values.reserve(std::max(values.size() + n, 2 * values.capacity()));
}

inline uint64_t mix(uint64_t x) {  // the finalizer of splitmix64 (Steele, Lea, Flood 2014)
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
    return x ^ (x >> 31);
}

// Of this process: who can choose keys still cannot know which of them meet. No answer depends on it.
struct HashSeed {
    uint64_t left, right, start;
    HashSeed() : left(random()), right(random() | 1), start(random()) {}

  private:
    static uint64_t random() {
        std::random_device device;
        return mix(device() + (uint64_t{device()} << 32));
    }
};
inline const HashSeed hash_seed;

inline uint64_t fold(uint64_t x, uint64_t y) {  // both halves of the product, so no input bit is lost
    const auto product = static_cast<unsigned __int128>(x) * y;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t eight(const void* at) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    return word;
}
inline uint32_t four(const void* at) {
    uint32_t word;
    std::memcpy(&word, at, 4);
    return word;
}

constexpr uint8_t null_byte = 0xFF;  // the canonical form of a null key: no UTF-8 text has it

// ------------------------------------------------------------------ what a key is

struct NumberKey {
    using Value = int64_t;
    static constexpr bool is_far = false;  // its value is all that there is to read
    struct Known {
        int64_t key;
        int64_t count;
    };
    static uint64_t hash(Value key) {  // the multiplier is secret too, else its product could be foreseen
        return fold(static_cast<uint64_t>(key) ^ hash_seed.left, hash_seed.right);
    }
    static bool same(const Known& known, Value key, const uint8_t*) { return known.key == key; }
    static bool equal(Value a, Value b) { return a == b; }
    static Known known(Value key, uint64_t) { return {key, 0}; }
    static void write(Array<uint8_t>& data, Value key) { append(data, &key, 8); }
    static Value value_of(const Known& known, const uint8_t*) { return known.key; }
    static uint64_t hash_of(const Known& known) { return hash(known.key); }
};

// What of the two words below belongs to a key of n bytes.
struct ShortMask {
    uint64_t head[13] = {}, tail[13] = {};
    constexpr ShortMask() {
        for (size_t n = 1; n <= 12; ++n) {
            head[n] = n < 4 ? ((uint64_t{1} << 8 * n) - 1) << 32 : uint64_t{0xFFFFFFFF} << 32;
            tail[n] = n <= 4 ? 0 : ~uint64_t{0} >> 8 * (12 - n);
        }
    }
};
inline constexpr ShortMask short_mask;

// Text or binary. Up to 12 bytes lie in two words, and equal words are equal keys; of longer ones the words
// are the size and the hash, and equal words are worth a look at the bytes.
struct Bytes {
    static constexpr size_t short_size = 12;
    uint64_t head = 0;  // size * 2 in the lower half, four bytes above; or size * 2 + 1 of a long key
    uint64_t tail = 0;  // eight bytes more; or the hash of a long key
    const char* data = nullptr;  // of a long key

    bool is_long() const { return head & 1; }
    size_t size() const { return is_long() ? head >> 1 : (head & 0xFF) >> 1; }

    static Bytes of(const char* data, size_t n) {
        if (n > short_size) return long_of(data, n);
        uint64_t low = 0, high = 0;  // bytes 0 to 7, bytes 8 to 11; what lies behind the key is not read
        if (n >= 8) {
            low = eight(data);
            high = eight(data + n - 8) >> 1 >> (8 * (16 - n) - 1);
        } else if (n >= 4) {
            low = four(data) | static_cast<uint64_t>(four(data + n - 4)) >> 8 * (8 - n) << 32;
        } else {
            for (size_t i = 0; i < n; ++i) low |= uint64_t{static_cast<uint8_t>(data[i])} << 8 * i;
        }
        return {low << 32 | n << 1, low >> 32 | high << 32, nullptr};
    }
    // From 12 bytes that can be read, whatever lies behind the key.
    static Bytes padded(const char* data, size_t n) {
        return {(uint64_t{four(data)} << 32 & short_mask.head[n]) | n << 1,
                eight(data + 4) & short_mask.tail[n], nullptr};
    }
    static Bytes long_of(const char* data, size_t n) { return {n << 1 | 1, 0, data}; }

    uint64_t hash() const {
        if (!is_long()) return fold(head ^ hash_seed.left, tail ^ hash_seed.right);
        uint64_t h = hash_seed.start ^ head;
        const char* at = data;
        for (size_t left = size(); left > 16; left -= 16, at += 16)
            h = fold(eight(at) ^ hash_seed.left, eight(at + 8) ^ h);
        at = data + size();  // the last 16 bytes, or 13 to 16 with an overlap
        h = fold(eight(size() < 16 ? data : at - 16) ^ hash_seed.left, eight(at - 8) ^ h);
        return fold(h, hash_seed.right);
    }
    // Whether two long keys of one size are equal.
    static bool equal(const char* a, const char* b, size_t n) {
        uint64_t other = 0;
        const size_t last = n < 16 ? 0 : n - 16;
        for (size_t i = 0; i < last; i += 16)
            other |= (eight(a + i) ^ eight(b + i)) | (eight(a + i + 8) ^ eight(b + i + 8));
        return !(other | (eight(a + last) ^ eight(b + last)) | (eight(a + n - 8) ^ eight(b + n - 8)));
    }
};

// An entry of Arrow's views, as it is: equal entries of one chunk are equal keys, different ones may be.
struct View {
    uint64_t head = 0, tail = 0;
};

struct ViewKey {
    using Value = View;
    static constexpr bool is_far = false;
    struct Known {
        uint64_t head, tail;
        int64_t count;
    };
    static uint64_t hash(Value key) { return fold(key.head ^ hash_seed.left, key.tail ^ hash_seed.right); }
    static bool same(const Known& known, Value key, const uint8_t*) {
        return known.head == key.head && known.tail == key.tail;
    }
    static bool equal(Value a, Value b) { return a.head == b.head && a.tail == b.tail; }
    static Known known(Value key, uint64_t) { return {key.head, key.tail, 0}; }
    static void write(Array<uint8_t>&, Value) {}
};

struct BytesKey {
    using Value = Bytes;
    static constexpr bool is_far = true;  // its bytes lie elsewhere
    struct Known {
        uint64_t head, tail;
        int64_t at;  // its bytes in the data
        int64_t count;
    };
    static uint64_t hash(Value& key) {
        const uint64_t hash = key.hash();
        if (key.is_long()) key.tail = hash;
        return hash;
    }
    __attribute__((always_inline)) static void ask_for(const Value& key) {
        if (key.is_long()) ask_for(key.data, key.size());
    }
    static bool same(const Known& known, const Value& key, const uint8_t* data) {
        if (known.head != key.head || known.tail != key.tail) return false;
        return !key.is_long() ||
               Bytes::equal(reinterpret_cast<const char*>(data) + known.at, key.data, key.size());
    }
    static bool equal(const Value& a, const Value& b) {  // before either has its hash
        if (a.head != b.head) return false;
        return a.is_long() ? a.data == b.data || Bytes::equal(a.data, b.data, a.size()) : a.tail == b.tail;
    }
    static Known known(const Value& key, size_t at) {
        return {key.head, key.tail, static_cast<int64_t>(at), 0};
    }
    __attribute__((always_inline)) static void ask_for(const Known& known, const uint8_t* data) {
        if (known.head & 1) ask_for(data + known.at, known.head >> 1);
    }
    static void write(Array<uint8_t>& data, const Value& key) {
        if (key.is_long()) return append(data, key.data, key.size());
        const uint64_t words[] = {key.head >> 32 | key.tail << 32, key.tail >> 32};
        append(data, words, key.size());
    }
    static uint64_t hash_of(const Known& known) {
        return known.head & 1 ? known.tail : Bytes{known.head, known.tail, nullptr}.hash();
    }
    static Value value_of(const Known& known, const uint8_t* data) {
        return {known.head, known.tail, reinterpret_cast<const char*>(data) + known.at};
    }

  private:
    __attribute__((always_inline)) static void ask_for(const void* data,
                                                       size_t size) {  // a key of two cache lines or less
        __builtin_prefetch(data);
        __builtin_prefetch(static_cast<const char*>(data) + size - 1);
    }
};

// ------------------------------------------------------------------ a table of them

template <class Key>
class KeyTable {
  public:
    using Value = typename Key::Value;
    using Known = typename Key::Known;

    KeyTable() : slots_(1 << 10), mask_(slots_.size() - 1) { offset_.push_back(0); }

    int32_t size() const { return static_cast<int32_t>(known_.size()); }
    // More than a first-level cache: what a row will look at is worth being asked for before.
    bool is_large() const { return slots_.size() > 1 << 12; }

    // Three steps to the code of a key, so that a block of rows can take each of them together. Inlined at
    // once: GCC 12 drops the call of a function that only asks for memory and may return early.
    __attribute__((always_inline)) void ask_for(uint32_t hash) const {
        __builtin_prefetch(&slots_[hash & mask_]);
    }
    int32_t likely(uint32_t hash) const {  // the code that it will have if it is where it should be, or -1
        const Slot slot = slots_[hash & mask_];
        return slot.hash == hash ? slot.code : -1;
    }
    __attribute__((always_inline)) void ask_for_known(int32_t code) const {
        __builtin_prefetch(known_.data() + (code < 0 ? 0 : code), 1);
    }
    __attribute__((always_inline)) void ask_for_bytes(int32_t code) const {
        if constexpr (Key::is_far)
            if (code >= 0) Key::ask_for(known_[static_cast<size_t>(code)], data_.data());
    }
    bool is(int32_t code, const Value& key) const {
        return Key::same(known_[static_cast<size_t>(code)], key, data_.data());
    }
    // The code of a key, made where it is new; `row` is kept as its first.
    int32_t find(uint32_t hash, const Value& key, int64_t row) {
        uint64_t at = hash & mask_;
        for (; slots_[at].code >= 0; at = (at + 1) & mask_)
            if (slots_[at].hash == hash && is(slots_[at].code, key)) return slots_[at].code;
        if (4 * (known_.size() + 1) > slots_.size()) at = grow(hash);
        slots_[at] = {hash, size()};
        return add(key, row);
    }
    // The code of a key, -1 where it is not known.
    int32_t look(uint32_t hash, const Value& key) const {
        for (uint64_t at = hash & mask_; slots_[at].code >= 0; at = (at + 1) & mask_)
            if (slots_[at].hash == hash && is(slots_[at].code, key)) return slots_[at].code;
        return -1;
    }
    // After it n keys of so many bytes in all are found or added whole, or not at all: only the index may
    // grow.
    void make_room(size_t n, size_t n_bytes) {
        cxcore::make_room(known_, n);
        cxcore::make_room(first_, n);
        cxcore::make_room(offset_, n);
        cxcore::make_room(data_, n_bytes);
    }
    size_t n_bytes() const {
        return sizeof(Slot) * slots_.capacity() + sizeof(Known) * known_.capacity() +
               8 * (first_.capacity() + offset_.capacity()) + data_.capacity();
    }
    bool is_null(int32_t code) const { return code == null_code_; }
    int64_t first_of(int32_t code) const { return first_[static_cast<size_t>(code)]; }
    int64_t count_of(int32_t code) const { return known_[static_cast<size_t>(code)].count; }
    void count(int32_t code, int64_t n) { known_[static_cast<size_t>(code)].count += n; }

    // A key that is known to be new and will not be looked for.
    int32_t add(const Value& key, int64_t row) {
        const size_t at = data_.size();
        Key::write(data_, key);
        return keep(Key::known(key, at), row);
    }
    // The null key has a code of its own in the order of appearance; no key finds it.
    int32_t null_code(int64_t row) {
        if (null_code_ < 0) {
            data_.push_back(null_byte);
            null_code_ = keep(Known{}, row);
        }
        return null_code_;
    }

    // What another table met later, in its order; gives the codes here of its codes.
    Array<int32_t> merge(const KeyTable& later) {
        constexpr size_t ahead = 16;
        const size_t n = later.known_.size();
        Array<int32_t> codes(n);
        for (size_t k = 0; k < n; ++k) {
            if (k + 2 * ahead < n) ask_for(later.hash_of(k + 2 * ahead));
            if (k + ahead < n) ask_for_known(likely(later.hash_of(k + ahead)));
            const Known& known = later.known_[k];
            codes[k] =
                later.is_null(static_cast<int32_t>(k))
                    ? null_code(later.first_[k])
                    : find(later.hash_of(k), Key::value_of(known, later.data_.data()), later.first_[k]);
            count(codes[k], known.count);
        }
        return codes;
    }

    // By code: rows, first row, bytes.
    Array<int64_t> counts() const {
        Array<int64_t> counts(known_.size());
        for (size_t k = 0; k < counts.size(); ++k) counts[k] = known_[k].count;
        return counts;
    }
    Array<int64_t>& first() { return first_; }
    Array<int64_t>& offset() { return offset_; }
    Array<uint8_t>& data() { return data_; }

  private:
    struct Slot {
        uint32_t hash = 0;
        int32_t code = -1;
    };

    uint32_t hash_of(size_t code) const { return static_cast<uint32_t>(Key::hash_of(known_[code])); }
    int32_t keep(const Known& known, int64_t row) {
        const int32_t code = size();
        known_.push_back(known);
        first_.push_back(row);
        offset_.push_back(static_cast<int64_t>(data_.size()));
        return code;
    }
    // Twice the slots or more; gives the free one for a hash.
    uint64_t grow(uint32_t hash) {
        Array<Slot> old(slots_.size() * (slots_.size() < (1 << 16) ? 4 : 2));
        old.swap(slots_);
        mask_ = slots_.size() - 1;
        for (const Slot slot : old)
            if (slot.code >= 0) slots_[free_slot(slot.hash)] = slot;
        return free_slot(hash);
    }
    uint64_t free_slot(uint32_t hash) const {
        uint64_t at = hash & mask_;
        while (slots_[at].code >= 0) at = (at + 1) & mask_;
        return at;
    }

    Array<Slot> slots_;
    uint64_t mask_;
    Array<Known> known_;             // [n_keys]
    Array<int64_t> first_, offset_;  // [n_keys], [n_keys + 1]
    Array<uint8_t> data_;            // canonical bytes, key after key
    int32_t null_code_ = -1;
};

}  // namespace cxcore
