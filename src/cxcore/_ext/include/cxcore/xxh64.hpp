// XXH64 with seed 0: the hash of session ids and of customer keys. It is part of the format of an id, so
// it is fixed here and tested against the published vectors.
// Source: Yann Collet, "xxHash fast digest algorithm", XXH64 section of the specification, 2021.
#pragma once

#include <cstdint>
#include <cstring>

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
}  // namespace xxh

inline uint64_t xxh64(const uint8_t* data, size_t size) {
    using namespace xxh;
    const uint8_t* const end = data + size;
    uint64_t h;
    if (size >= 32) {
        uint64_t a = p1 + p2, b = p2, c = 0, d = 0 - p1;
        for (; data + 32 <= end; data += 32) {
            a = lane(a, load<uint64_t>(data));
            b = lane(b, load<uint64_t>(data + 8));
            c = lane(c, load<uint64_t>(data + 16));
            d = lane(d, load<uint64_t>(data + 24));
        }
        h = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18);
        h = merge(merge(merge(merge(h, a), b), c), d);
    } else {
        h = p5;
    }
    h += size;
    for (; data + 8 <= end; data += 8) h = rotate(h ^ lane(0, load<uint64_t>(data)), 27) * p1 + p4;
    if (data + 4 <= end) {
        h = rotate(h ^ (load<uint32_t>(data) * p1), 23) * p2 + p3;
        data += 4;
    }
    for (; data < end; ++data) h = rotate(h ^ (*data * p5), 11) * p1;
    h = (h ^ (h >> 33)) * p2;
    h = (h ^ (h >> 29)) * p3;
    return h ^ (h >> 32);
}

}  // namespace cxcore
