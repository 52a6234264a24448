// The Arrow C data interface, as far as a column of keys needs it: chunks, slices, validity bitmaps,
// integers, booleans, strings (32 and 64 bit offsets), string views, binary, dictionaries. Zero copy: a
// Column points into the producer's buffers and keeps them alive until it goes.
// Source: Arrow columnar format 1.4 ("C data interface", "Variable-size binary view layout").
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "key_table.hpp"

extern "C" {
struct ArrowSchema {
    const char* format;
    const char* name;
    const char* metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema** children;
    struct ArrowSchema* dictionary;
    void (*release)(struct ArrowSchema*);
    void* private_data;
};
struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void** buffers;
    struct ArrowArray** children;
    struct ArrowArray* dictionary;
    void (*release)(struct ArrowArray*);
    void* private_data;
};
struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream*, struct ArrowSchema* out);
    int (*get_next)(struct ArrowArrayStream*, struct ArrowArray* out);
    const char* (*get_last_error)(struct ArrowArrayStream*);
    void (*release)(struct ArrowArrayStream*);
    void* private_data;
};
}

namespace cxcore {

enum class Layout { null, boolean, i8, i16, i32, i64, u8, u16, u32, u64, f64, bytes32, bytes64, view };

inline Layout layout_of(const char* format, bool of_keys = true) {
    const std::string_view f(format);
    if (f == "n") return Layout::null;
    if (f == "b") return Layout::boolean;
    if (f == "c") return Layout::i8;
    if (f == "s") return Layout::i16;
    if (f == "i" || f == "tdD") return Layout::i32;
    if (f == "l") return Layout::i64;
    if (f == "C") return Layout::u8;
    if (f == "S") return Layout::u16;
    if (f == "I") return Layout::u32;
    if (f == "L") return Layout::u64;
    if (f == "g" && !of_keys) return Layout::f64;
    if (f == "u" || f == "z") return Layout::bytes32;
    if (f == "U" || f == "Z") return Layout::bytes64;
    if (f == "vu" || f == "vz") return Layout::view;
    throw std::invalid_argument("no key can be read from Arrow format '" + std::string(f) + "'");
}

// True where the layout holds bytes, false where it holds a number.
inline bool holds_bytes(Layout layout) {
    return layout == Layout::bytes32 || layout == Layout::bytes64 || layout == Layout::view;
}

inline bool bit(const uint8_t* bits, int64_t i) { return bits[i >> 3] >> (i & 7) & 1; }

// The n bits from the i-th on, 1 to 64 of them; those above are 0. No byte beyond the last of them is read.
inline uint64_t bits_from(const uint8_t* bits, int64_t i, int64_t n) {
    const int64_t skip = i & 7, n_bytes = (skip + n + 7) >> 3;  // up to nine
    uint64_t word = 0;
    std::memcpy(&word, bits + (i >> 3), static_cast<size_t>(std::min<int64_t>(n_bytes, 8)));
    word >>= skip;
    if (n_bytes > 8) word |= uint64_t{bits[(i >> 3) + 8]} << (64 - skip);
    return word & ~uint64_t{0} >> (64 - n);
}

// One Arrow array of a known layout; `at` is the row inside the array, its offset not yet added.
struct Chunk {
    const ArrowArray* array = nullptr;
    Layout layout = Layout::null;
    const uint8_t* valid = nullptr;  // null where every row is

    Chunk() = default;
    Chunk(const ArrowArray* array_, Layout layout_) : array(array_), layout(layout_) {
        if (layout != Layout::null && array->null_count != 0 && array->n_buffers > 0)
            valid = static_cast<const uint8_t*>(array->buffers[0]);
    }
    int64_t size() const { return array->length; }
    bool is_null(int64_t at) const {
        return layout == Layout::null || (valid && !bit(valid, array->offset + at));
    }
    // Calls use(read), where read(i) is the value at row `from` + i: the layout is asked once a run.
    template <class Use>
    void with_numbers(int64_t from, Use&& use) const {
        switch (layout) {
            case Layout::i8: return use(numbers_of<int8_t>(from));
            case Layout::i16: return use(numbers_of<int16_t>(from));
            case Layout::i32: return use(numbers_of<int32_t>(from));
            case Layout::u8: return use(numbers_of<uint8_t>(from));
            case Layout::u16: return use(numbers_of<uint16_t>(from));
            case Layout::u32: return use(numbers_of<uint32_t>(from));
            case Layout::i64:
            case Layout::u64: return use(numbers_of<int64_t>(from));
            case Layout::boolean: {
                const auto* bits = static_cast<const uint8_t*>(array->buffers[1]);
                return use(
                    [=, first = array->offset + from](int64_t i) -> int64_t { return bit(bits, first + i); });
            }
            default: return use([](int64_t) -> int64_t { return 0; });  // all null
        }
    }
    // Where numbers lie in memory, to be asked for before they are read: item i at start + i * width.
    struct Place {
        const char* start;
        int64_t width;
        const char* operator()(int64_t i) const { return start + i * width; }
    };
    Place place() const {
        const auto of = [&](int64_t width) {
            return Place{static_cast<const char*>(array->buffers[1]) + array->offset * width, width};
        };
        switch (layout) {
            case Layout::i8:
            case Layout::u8: return of(1);
            case Layout::i16:
            case Layout::u16: return of(2);
            case Layout::i32:
            case Layout::u32: return of(4);
            case Layout::i64:
            case Layout::u64: return of(8);
            default: return {nullptr, 0};
        }
    }
    template <class Use>
    void with_bytes(int64_t from, Use&& use) const {
        switch (layout) {
            case Layout::view: return use(texts(from));
            case Layout::bytes32: return use(bytes_by<int32_t>(from));
            case Layout::bytes64: return use(bytes_by<int64_t>(from));
            default: return use([](int64_t) { return Bytes{}; });  // all null
        }
    }

    // The same with texts as they lie: read(i) is a std::string_view.
    template <class Use>
    void with_text(int64_t from, Use&& use) const {
        switch (layout) {
            case Layout::view: return use(view_text(from));
            case Layout::bytes32: return use(text_by<int32_t>(from));
            case Layout::bytes64: return use(text_by<int64_t>(from));
            default: return use([](int64_t) { return std::string_view{}; });  // all null
        }
    }

    const double* doubles() const { return buffer<double>(0); }

    const View* view_at(int64_t at) const { return buffer<View>(at); }
    auto views(int64_t from) const {
        return [entries = buffer<View>(from)](int64_t i) { return entries[i]; };
    }
    auto texts(int64_t from) const {
        return [entries = buffer<View>(from), data = array->buffers + 2](int64_t i) {
            const auto* entry = reinterpret_cast<const char*>(entries + i);
            const size_t length = four(entry);
            if (length <= Bytes::short_size) return Bytes::padded(entry + 4, length);
            return Bytes::long_of(static_cast<const char*>(data[four(entry + 8)]) + four(entry + 12), length);
        };
    }
    // Whether long texts share their bytes, each with at least one other on average: more text than there
    // are bytes of it. Judged by a sample; nothing but time depends on it.
    bool repeats_views() const {
        const auto* sizes = static_cast<const int64_t*>(array->buffers[array->n_buffers - 1]);
        double held = 0, shown = 0;
        for (int64_t k = 0; k < array->n_buffers - 3; ++k) held += static_cast<double>(sizes[k]);
        const int64_t sample = std::min<int64_t>(size(), 1024);
        for (int64_t k = 0; k < sample; ++k) {
            const int64_t at = k * (size() / sample);
            const uint64_t length = is_null(at) ? 0 : four(buffer<View>(at));
            if (length > Bytes::short_size) shown += static_cast<double>(length);
        }
        return held > 0 && shown / static_cast<double>(sample) * static_cast<double>(size()) >= 2 * held;
    }

  private:
    template <class T>
    const T* buffer(int64_t from) const {
        return static_cast<const T*>(array->buffers[1]) + array->offset + from;
    }
    template <class T>
    auto numbers_of(int64_t from) const {
        return [values = buffer<T>(from)](int64_t i) -> int64_t { return values[i]; };
    }
    auto view_text(int64_t from) const {
        return [entries = buffer<View>(from), data = array->buffers + 2](int64_t i) {
            const auto* entry = reinterpret_cast<const char*>(entries + i);
            const size_t size = four(entry);
            if (size <= Bytes::short_size) return std::string_view(entry + 4, size);
            return std::string_view(static_cast<const char*>(data[four(entry + 8)]) + four(entry + 12), size);
        };
    }
    template <class Offset>
    auto text_by(int64_t from) const {
        return
            [offset = buffer<Offset>(from), data = static_cast<const char*>(array->buffers[2])](int64_t i) {
                return std::string_view(data + offset[i], static_cast<size_t>(offset[i + 1] - offset[i]));
            };
    }
    template <class Offset>
    auto bytes_by(int64_t from) const {
        return
            [offset = buffer<Offset>(from), data = static_cast<const char*>(array->buffers[2])](int64_t i) {
                return Bytes::of(data + offset[i], static_cast<size_t>(offset[i + 1] - offset[i]));
            };
    }
};

// A whole column out of a stream: owns the arrays, in their order.
class Column {
  public:
    explicit Column(ArrowArrayStream* stream, bool of_keys = true) {
        try {
            check(stream, stream->get_schema(stream, &schema_));
            layout_ = layout_of(schema_.format, of_keys);
            if (schema_.dictionary) values_ = layout_of(schema_.dictionary->format);
            while (true) {
                ArrowArray array{};
                check(stream, stream->get_next(stream, &array));
                if (!array.release) break;
                size_ += array.length;
                arrays_.push_back(array);
            }
        } catch (...) {
            free();
            throw;
        }
    }
    Column(const Column&) = delete;
    Column& operator=(const Column&) = delete;
    Column(Column&& other) noexcept
        : schema_(other.schema_),
          layout_(other.layout_),
          values_(other.values_),
          size_(other.size_),
          arrays_(std::move(other.arrays_)) {
        other.schema_.release = nullptr;
        other.arrays_.clear();
    }
    ~Column() { free(); }

    int64_t size() const { return size_; }
    bool is_dictionary() const { return schema_.dictionary != nullptr; }
    bool is_bytes() const { return holds_bytes(is_dictionary() ? values_ : layout_); }
    size_t n_chunks() const { return arrays_.size(); }
    Chunk chunk(size_t k) const { return {&arrays_[k], layout_}; }
    Chunk dictionary(size_t k) const { return {arrays_[k].dictionary, values_}; }

  private:
    static void check(ArrowArrayStream* stream, int error) {
        if (!error) return;
        const char* text = stream->get_last_error(stream);
        throw std::runtime_error(text ? text : "an Arrow stream broke");
    }
    void free() {
        for (auto& array : arrays_)
            if (array.release) array.release(&array);
        arrays_.clear();
        if (schema_.release) schema_.release(&schema_);
        schema_.release = nullptr;
    }

    ArrowSchema schema_{};
    Layout layout_ = Layout::null;
    Layout values_ = Layout::null;
    int64_t size_ = 0;
    std::vector<ArrowArray> arrays_;
};

}  // namespace cxcore
