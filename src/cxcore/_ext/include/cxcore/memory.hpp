// Memory for long arrays that are read at random places, and for arrays whose zeros nobody reads.
//
// From a quarter MB on an Array asks for huge pages (Linux gives them on request only): a new array of small
// pages costs a fault each 4 KB, 64 of which take longer than one of 2 MB (docs/adr/0025), and a read at a
// random place misses the table of pages as well. `resize` leaves new numbers as they come, unlike
// std::vector, which would write each of them once more. Elsewhere plain malloc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace cxcore {

inline void* allocate_bytes(size_t size) {
    void* at = nullptr;
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    constexpr size_t huge_page = size_t{1} << 21;
    if (size >= huge_page / 8) {
        if (size > std::numeric_limits<size_t>::max() - huge_page) throw std::bad_alloc();
        size = (size + huge_page - 1) / huge_page * huge_page;
        at = std::aligned_alloc(huge_page, size);
        if (at) madvise(at, size, MADV_HUGEPAGE);  // a wish: where it is refused, pages stay small
    } else
#endif
        at = std::malloc(size);
    if (!at) throw std::bad_alloc();
    return at;
}

template <class T>
struct Allocator {
    using value_type = T;
    static_assert(alignof(T) <= alignof(std::max_align_t), "malloc aligns no further");

    Allocator() = default;
    template <class Other>
    Allocator(const Allocator<Other>&) noexcept {}

    T* allocate(size_t n) {
        if (n > std::numeric_limits<size_t>::max() / sizeof(T)) throw std::bad_alloc();
        return static_cast<T*>(allocate_bytes(n ? n * sizeof(T) : 1));
    }
    void deallocate(T* at, size_t) noexcept { std::free(at); }

    // Without a value: left as it comes where T is plain, its defaults where it has some.
    template <class Made>
    void construct(Made* at) noexcept(std::is_nothrow_default_constructible_v<Made>) {
        ::new (static_cast<void*>(at)) Made;
    }
    template <class Made, class... Args>
    void construct(Made* at, Args&&... args) {
        ::new (static_cast<void*>(at)) Made(std::forward<Args>(args)...);
    }
    friend bool operator==(const Allocator&, const Allocator&) noexcept { return true; }
    friend bool operator!=(const Allocator&, const Allocator&) noexcept { return false; }
};

// A std::vector of all that is said above. Array<T>(n) holds n values that nobody has set.
template <class T>
using Array = std::vector<T, Allocator<T>>;

}  // namespace cxcore
