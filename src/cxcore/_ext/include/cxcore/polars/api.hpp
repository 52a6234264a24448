// The interface of Polars' expression plugins, version 0.1, written by hand: what a plugin is given and what
// it gives back, and who lets go of what. Series come as chunks of Arrow arrays that are ours to release,
// each array and then the export; what goes back is Polars' to release, through our callbacks. Polars tells a
// result from none by `private_data`, so that is never null in what we give. Source: Polars, crates
// polars-ffi (version_0.rs) and polars-plan (plugin dispatch), 1.0 to 2.1.
#pragma once

#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "../arrow.hpp"

extern "C" {
struct SeriesExport {
    ArrowSchema* field;
    ArrowArray** arrays;
    size_t len;
    void (*release)(SeriesExport*);
    void* private_data;
};
}

namespace cxcore::plugin {

// A Series that Polars handed over; lets go of it.
class Given {
  public:
    explicit Given(SeriesExport* series) : series_(series) {}
    Given(const Given&) = delete;
    Given& operator=(const Given&) = delete;
    ~Given() {
        for (size_t i = 0; i < series_->len; ++i)
            if (series_->arrays[i]->release) series_->arrays[i]->release(series_->arrays[i]);
        if (series_->release) series_->release(series_);
    }

    const ArrowSchema& field() const { return *series_->field; }

    int64_t size() const {
        int64_t n = 0;
        for (size_t i = 0; i < series_->len; ++i) n += series_->arrays[i]->length;
        return n;
    }

    // use(row, value) for each row that has one
    template <class T, class Use>
    void each(Use&& use) const {
        int64_t row = 0;
        for (size_t i = 0; i < series_->len; ++i) {
            const ArrowArray& chunk = *series_->arrays[i];
            const auto* valid = static_cast<const uint8_t*>(chunk.buffers[0]);
            const T* value = static_cast<const T*>(chunk.buffers[1]) + chunk.offset;
            for (int64_t k = 0; k < chunk.length; ++k, ++row)
                if (!valid || bit(valid, chunk.offset + k)) use(row, value[k]);
        }
    }

    uint64_t word() const {  // of a literal
        uint64_t word = 0;
        each<uint64_t>([&](int64_t, uint64_t value) { word = value; });
        return word;
    }

  private:
    SeriesExport* series_;
};

// ------------------------------------------------------------------ what goes back

inline void release_schema(ArrowSchema* schema) {
    delete static_cast<std::vector<std::string>*>(schema->private_data);
    schema->release = nullptr, schema->private_data = nullptr;
}

inline void give_field(const char* name, const char* format, ArrowSchema* to) {
    auto* const text = new std::vector<std::string>{name ? name : "", format};
    *to = {(*text)[1].c_str(),
           (*text)[0].c_str(),
           nullptr,
           2 /* nullable */,
           0,
           nullptr,
           nullptr,
           release_schema,
           text};
}

// Values and validity of one array of primitives.
template <class T>
struct Made {
    std::vector<T> value;
    std::vector<uint8_t> valid;  // bits
    const void* buffers[2];

    explicit Made(int64_t n) : value(static_cast<size_t>(n)), valid(static_cast<size_t>((n + 7) / 8)) {}
    void set(int64_t row, T to) {
        value[static_cast<size_t>(row)] = to;
        valid[static_cast<size_t>(row >> 3)] |= static_cast<uint8_t>(1 << (row & 7));
    }
};

template <class T>
void release_array(ArrowArray* array) {
    delete static_cast<Made<T>*>(array->private_data);
    array->release = nullptr;
}

struct Wrapping {  // what a SeriesExport of ours is made of; the array in it is moved out by Polars
    ArrowSchema field;
    ArrowArray array;
    ArrowArray* arrays[1];
};

inline void release_series(SeriesExport* series) {
    auto* const wrapping = static_cast<Wrapping*>(series->private_data);
    if (wrapping->field.release) wrapping->field.release(&wrapping->field);
    delete wrapping;
    series->release = nullptr, series->private_data = nullptr;
}

template <class T>
void give_series(const char* name, const char* format, std::unique_ptr<Made<T>> made, int64_t n_null,
                 SeriesExport* to) {
    auto wrapping = std::make_unique<Wrapping>();
    give_field(name, format, &wrapping->field);
    const auto n = static_cast<int64_t>(made->value.size());
    made->buffers[0] = made->valid.data(), made->buffers[1] = made->value.data();
    wrapping->array = {n, n_null, 0, 2, 0, made->buffers, nullptr, nullptr, release_array<T>, made.get()};
    made.release();  // NOLINT: the array has it
    wrapping->arrays[0] = &wrapping->array;
    *to = {&wrapping->field, wrapping->arrays, 1, release_series, wrapping.get()};
    wrapping.release();
}

// ------------------------------------------------------------------ errors

inline thread_local std::string last_error;

// No exception crosses the border: Polars finds no result, and asks for the text.
template <class Work>
void guard(Work&& work) {
    try {
        work();
    } catch (const std::exception& error) {
        last_error = error.what();
    } catch (...) {
        last_error = "an error without a text";
    }
}

}  // namespace cxcore::plugin
