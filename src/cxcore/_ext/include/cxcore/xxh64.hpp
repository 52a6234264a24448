// XXH64 with seed 0: the hash of session ids and of customer keys. It is part of the format of an id, so
// it is fixed here and tested against the published vectors.
// Source: Yann Collet, "xxHash fast digest algorithm", XXH64 section of the specification, 2021.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

namespace cxcore {

namespace xxh {
constexpr uint64_t p1 = 0x9E3779B185EBCA87ULL, p2 = 0xC2B2AE3D27D4EB4FULL, p3 = 0x165667B19E3779F9ULL,
                   p4 = 0x85EBCA77C2B2AE63ULL, p5 = 0x27D4EB2F165667C5ULL;
inline uint64_t rotate(uint64_t x, int by) { return (x << by) | (x >> (64 - by)); }
inline uint64_t lane(uint64_t acc, uint64_t input) { return rotate(acc + input * p2, 31) * p1; }
inline uint64_t merge(uint64_t acc, uint64_t value) { return (acc ^ lane(0, value)) * p1 + p4; }
template <class T>
inline T load(const uint8_t* from) {  // little-endian machines only, as everywhere in cxcore
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

// Its parts: whole stripes of 32 bytes of `size` in all, whole words, what is left, and the end.
inline uint64_t stripes(const uint8_t* data, const uint8_t* end, size_t size) {
    if (size < 32) return p5 + size;
    uint64_t a = p1 + p2, b = p2, c = 0, d = 0 - p1;
    for (; data + 32 <= end; data += 32) {
        a = lane(a, load<uint64_t>(data));
        b = lane(b, load<uint64_t>(data + 8));
        c = lane(c, load<uint64_t>(data + 16));
        d = lane(d, load<uint64_t>(data + 24));
    }
    const uint64_t h = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18);
    return merge(merge(merge(merge(h, a), b), c), d) + size;
}
inline uint64_t word(uint64_t h, uint64_t input) { return rotate(h ^ lane(0, input), 27) * p1 + p4; }
inline uint64_t words(uint64_t h, const uint8_t* data, const uint8_t* end) {
    for (; data + 8 <= end; data += 8) h = word(h, load<uint64_t>(data));
    return h;
}
inline uint64_t rest(uint64_t h, const uint8_t* data, size_t size) {
    const uint8_t* const end = data + size;
    if (size >= 4) {
        h = rotate(h ^ (load<uint32_t>(data) * p1), 23) * p2 + p3;
        data += 4;
    }
    for (; data < end; ++data) h = rotate(h ^ (*data * p5), 11) * p1;
    return h;
}
inline uint64_t finish(uint64_t h) {
    h = (h ^ (h >> 33)) * p2;
    h = (h ^ (h >> 29)) * p3;
    return h ^ (h >> 32);
}
}  // namespace xxh

inline uint64_t xxh64(const uint8_t* data, size_t size) {
    const uint8_t *const end = data + size, *const left = end - size % 8;
    const uint64_t h = xxh::words(xxh::stripes(data, end, size), data + size / 32 * 32, left);
    return xxh::finish(xxh::rest(h, left, size % 8));
}

// The hash of one text with two words behind it, again and again: what is the text's alone is hashed once.
class Xxh64OfText {
  public:
    Xxh64OfText(const uint8_t* text, size_t size) : text_(text), size_(size), left_(size % 8) {
        const size_t all = size + 16, striped = all / 32 * 32, whole = size - left_;
        is_known_ = striped <= size;  // else the last stripe ends in the words
        if (!is_known_) return;
        for (size_t i = 0; i < left_; ++i) tail_ |= uint64_t{text[whole + i]} << 8 * i;
        before_ = xxh::words(xxh::stripes(text, text + striped, all), text + striped, text + whole);
    }
    uint64_t operator()(uint64_t a, uint64_t b) const {
        if (!is_known_) return of_bytes(a, b);
        if (!left_) return xxh::finish(xxh::word(xxh::word(before_, a), b));
        const auto up = static_cast<int>(8 * left_), down = 64 - up;  // the words begin inside of one
        const uint64_t h = xxh::word(xxh::word(before_, tail_ | a << up), a >> down | b << up),
                       end = b >> down;
        return xxh::finish(xxh::rest(h, reinterpret_cast<const uint8_t*>(&end), left_));
    }

  private:
    uint64_t of_bytes(uint64_t a, uint64_t b) const {
        std::vector<uint8_t> bytes(size_ + 16);
        std::memcpy(bytes.data(), text_, size_);
        std::memcpy(bytes.data() + size_, &a, 8);
        std::memcpy(bytes.data() + size_ + 8, &b, 8);
        return xxh64(bytes.data(), bytes.size());
    }

    const uint8_t* text_;
    size_t size_, left_;
    uint64_t before_ = 0, tail_ = 0;
    bool is_known_;
};

}  // namespace cxcore
