// The Arrow C data interface, as far as a column of keys needs it: chunks, slices, validity bitmaps,
// integers, booleans, strings (32 and 64 bit offsets), string views, binary, dictionaries. Zero copy: a
// Column points into the producer's buffers and keeps them alive until it goes.
// Source: Arrow columnar format 1.4 ("C data interface", "Variable-size binary view layout").
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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

enum class Layout { null, boolean, i8, i16, i32, i64, u8, u16, u32, u64, bytes32, bytes64, view };

inline Layout layout_of(const char* format) {
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
    template <class T>
    T number_as(int64_t at) const {
        return static_cast<const T*>(array->buffers[1])[array->offset + at];
    }
    std::string_view view(int64_t at) const {
        const auto* entry = static_cast<const char*>(array->buffers[1]) + 16 * (array->offset + at);
        int32_t length, buffer, start;
        std::memcpy(&length, entry, 4);
        if (length <= 12) return {entry + 4, static_cast<size_t>(length)};
        std::memcpy(&buffer, entry + 8, 4);
        std::memcpy(&start, entry + 12, 4);
        return {static_cast<const char*>(array->buffers[2 + buffer]) + start, static_cast<size_t>(length)};
    }
    template <class Offset>
    std::string_view bytes_by(int64_t at) const {
        const auto* offset = static_cast<const Offset*>(array->buffers[1]) + array->offset + at;
        return {static_cast<const char*>(array->buffers[2]) + offset[0],
                static_cast<size_t>(offset[1] - offset[0])};
    }

    // Calls use(read), where read(i) is the value at row `from` + i: the layout is asked once a run.
    template <class Use>
    void with_numbers(int64_t from, Use&& use) const {
        switch (layout) {
            case Layout::i8: return use([=](int64_t i) -> int64_t { return number_as<int8_t>(from + i); });
            case Layout::i16: return use([=](int64_t i) -> int64_t { return number_as<int16_t>(from + i); });
            case Layout::i32: return use([=](int64_t i) -> int64_t { return number_as<int32_t>(from + i); });
            case Layout::u8: return use([=](int64_t i) -> int64_t { return number_as<uint8_t>(from + i); });
            case Layout::u16: return use([=](int64_t i) -> int64_t { return number_as<uint16_t>(from + i); });
            case Layout::u32: return use([=](int64_t i) -> int64_t { return number_as<uint32_t>(from + i); });
            case Layout::i64:
            case Layout::u64: return use([=](int64_t i) { return number_as<int64_t>(from + i); });
            case Layout::boolean:
                return use([=](int64_t i) -> int64_t {
                    return bit(static_cast<const uint8_t*>(array->buffers[1]), array->offset + from + i);
                });
            default: return use([](int64_t) -> int64_t { return 0; });  // all null
        }
    }
    template <class Use>
    void with_bytes(int64_t from, Use&& use) const {
        switch (layout) {
            case Layout::view: return use([=](int64_t i) { return view(from + i); });
            case Layout::bytes32: return use([=](int64_t i) { return bytes_by<int32_t>(from + i); });
            case Layout::bytes64: return use([=](int64_t i) { return bytes_by<int64_t>(from + i); });
            default: return use([](int64_t) { return std::string_view(); });  // all null
        }
    }
};

// A whole column out of a stream: owns the arrays, in their order.
class Column {
  public:
    explicit Column(ArrowArrayStream* stream) {
        try {
            check(stream, stream->get_schema(stream, &schema_));
            layout_ = layout_of(schema_.format);
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
