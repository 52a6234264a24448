// What needs lifetimes: Arrow streams in, what a stream of sessions knows of its users, and how this core was
// built.
// Values go out as NumPy arrays that own what the core allocated.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <string>
#include <vector>

#include "cxcore/keys.hpp"
#include "cxcore/mark_rows.hpp"
#include "cxcore/memory.hpp"
#include "cxcore/reach.hpp"
#include "cxcore/said.hpp"
#include "cxcore/split.hpp"
#include "cxcore/tell_apart.hpp"
#include "cxcore/user_table.hpp"

#if defined(__clang__)
#define CXCORE_COMPILER "clang " __clang_version__
#else
#define CXCORE_COMPILER "gcc " __VERSION__
#endif

namespace py = pybind11;

namespace {

template <class Values>
py::array_t<typename Values::value_type> array_of(Values&& values) {
    auto kept = std::make_unique<Values>(std::move(values));
    auto* raw = kept.get();
    py::capsule owner(raw, [](void* p) { delete static_cast<Values*>(p); });
    kept.release();
    return py::array_t<typename Values::value_type>(static_cast<py::ssize_t>(raw->size()), raw->data(),
                                                    owner);
}

cxcore::Column column_of(const py::handle& series, bool of_keys = true) {
    const py::capsule capsule = series.attr("__arrow_c_stream__")();
    auto* stream = capsule.get_pointer<ArrowArrayStream>();
    return cxcore::Column(stream, of_keys);  // the capsule releases the stream
}

py::tuple encode_keys(const py::list& columns, bool null_is_key, int n_threads) {
    std::vector<cxcore::Column> parts;
    for (const auto& column : columns) parts.push_back(column_of(column));
    cxcore::EncodedKeys keys;
    {
        py::gil_scoped_release release;
        keys = cxcore::encode_keys(parts, null_is_key, n_threads);
    }
    return py::make_tuple(array_of(std::move(keys.code)), array_of(std::move(keys.count)),
                          array_of(std::move(keys.first)), array_of(std::move(keys.offset)),
                          array_of(std::move(keys.data)));
}

py::tuple split_paths(const py::handle& series, const std::string& separator, int n_threads) {
    const cxcore::Column column = column_of(series);
    cxcore::SplitPaths paths;
    {
        py::gil_scoped_release release;
        paths = cxcore::split_paths(column, separator, n_threads);
    }
    return py::make_tuple(array_of(std::move(paths.offset)), array_of(std::move(paths.code)),
                          array_of(std::move(paths.name_offset)), array_of(std::move(paths.name_data)));
}

// The column in one chunk.
py::tuple channels_of(const py::handle& number) {
    const cxcore::Column numbers = column_of(number);
    cxcore::Channels channels;
    {
        py::gil_scoped_release release;
        channels = cxcore::channels_of(numbers);
    }
    return py::make_tuple(array_of(std::move(channels.known)), array_of(std::move(channels.first)));
}

// Each column in one chunk; IN known int32[] as `channels_of` gave it.
py::array_t<int32_t> what_rows_say(const py::handle& number,
                                   const py::array_t<int32_t, py::array::c_style>& known,
                                   const py::handle& converted) {
    const cxcore::Column numbers = column_of(number), flags = column_of(converted);
    const int32_t* const codes = known.data();
    cxcore::Array<int32_t> said;
    {
        py::gil_scoped_release release;
        said = cxcore::what_rows_say(numbers, codes, flags);
    }
    return array_of(std::move(said));
}

// A column of float64 in one chunk; OUT found float64[n]
void values_at(const py::handle& value, const py::array_t<int64_t, py::array::c_style>& row,
               py::array_t<double, py::array::c_style>& found) {
    const cxcore::Column column = column_of(value, false);
    const int64_t* const from = row.data();
    double* const to = found.mutable_data();
    const auto n = static_cast<int64_t>(row.size());
    py::gil_scoped_release release;
    cxcore::values_at(column, from, n, to);
}

// Each column in one chunk; IN known int32[] as `channels_of` gave it, tick int64[n]; lookback in ticks, 0:
// no limit.
py::tuple reached_rows(const py::handle& user, const py::handle& converted, const py::handle& number,
                       const py::array_t<int32_t, py::array::c_style>& known,
                       const py::array_t<int64_t, py::array::c_style>& tick, uint64_t lookback,
                       int n_threads) {
    const cxcore::Column users = column_of(user), flags = column_of(converted), numbers = column_of(number);
    const cxcore::LogColumns log{users, flags, numbers, known.data(), tick.data()};
    cxcore::ReachedRows rows;
    {
        py::gil_scoped_release release;
        rows = cxcore::reached_rows(log, lookback, n_threads);
    }
    return py::make_tuple(array_of(std::move(rows.code)), array_of(std::move(rows.tick)),
                          array_of(std::move(rows.what)), array_of(std::move(rows.row)),
                          array_of(std::move(rows.count)));
}

// Columns of float64.
double largest(const py::handle& value) {
    const cxcore::Column column = column_of(value, false);
    const py::gil_scoped_release release;
    return cxcore::largest(column);
}

// IN code int32[n], below n_codes; the flag in one chunk.
py::array_t<int64_t> codes_of(const py::array_t<int32_t, py::array::c_style>& code, const py::handle& flag,
                              int64_t n_codes) {
    const cxcore::Column flags = column_of(flag);
    const int32_t* const from = code.data();
    cxcore::Array<int64_t> codes;
    {
        py::gil_scoped_release release;
        codes = cxcore::codes_of(from, flags, n_codes);
    }
    return array_of(std::move(codes));
}

// OUT code int32[n]
void tell_apart(const py::handle& series, int n_threads, py::array_t<int32_t, py::array::c_style>& code) {
    const cxcore::Column column = column_of(series);
    int32_t* const to = code.mutable_data();
    py::gil_scoped_release release;
    cxcore::tell_apart(column, n_threads, to);
}

// The column is boolean and has no nulls. INOUT mark uint8[n]: `bits` are set where it is true
void mark_rows(const py::handle& series, uint8_t bits, py::array_t<uint8_t, py::array::c_style>& mark) {
    const cxcore::Column column = column_of(series);
    uint8_t* const to = mark.mutable_data();
    py::gil_scoped_release release;
    cxcore::mark_rows(column, bits, to);
}

// Memory for what a kernel writes: NumPy asks for huge pages from 4 MB on, and for whole ones only.
py::array_t<uint8_t> empty(int64_t n_bytes) {
    return array_of(cxcore::Array<uint8_t>(static_cast<size_t>(n_bytes)));
}

template <class T>
using Dense = py::array_t<T, py::array::c_style>;

// The table, and what is replaced together with its records: one call, between whose parts no signal comes.
// Its stream lets one thread in at a time.
class Users {
  public:
    explicit Users(int64_t width) : table_(width) {}

    Dense<int32_t> encode(const Dense<int64_t>& offset, const Dense<uint8_t>& data) {
        Dense<int32_t> code(offset.size() - 1);
        without_gil([&, from = offset.data(), bytes = data.data(), n = code.size(),
                     to = code.mutable_data()] { table_.encode(from, bytes, n, to); });
        return code;
    }
    int32_t nobody() { return table_.nobody(); }
    py::tuple meet(const Dense<int32_t>& batch, const Dense<int32_t>& open, const Dense<bool>& due,
                   int32_t last) {
        static_assert(sizeof(bool) == 1);
        Dense<int32_t> place(open.size());
        cxcore::Array<int32_t> users;
        without_gil([&, from = batch.data(), n = batch.size(), rows = open.data(), n_rows = open.size(),
                     is_due = reinterpret_cast<const uint8_t*>(due.data()), to = place.mutable_data()] {
            users = table_.meet(from, n, rows, is_due, n_rows, last, to);
        });
        return py::make_tuple(array_of(std::move(users)), place);
    }
    Dense<int64_t> get(const Dense<int32_t>& code) const {
        Dense<int64_t> facts({static_cast<int64_t>(code.size()), table_.width()});
        without_gil(
            [&, from = code.data(), n = code.size(), to = facts.mutable_data()] { table_.get(from, n, to); });
        return facts;
    }
    Dense<int64_t> line(int64_t number) const {
        Dense<int64_t> values(table_.size());
        without_gil([&, to = values.mutable_data()] { table_.line(number, to); });
        return values;
    }
    void put(const Dense<int32_t>& code, const Dense<int64_t>& facts, py::object kept) {
        without_gil(
            [&, from = code.data(), n = code.size(), values = facts.data()] { table_.put(from, n, values); });
        std::swap(kept_, kept);  // what was kept before ends after this step
    }
    py::tuple keys(const Dense<int32_t>& code) {
        cxcore::Array<int64_t> offset;
        cxcore::Array<uint8_t> data;
        without_gil([&, from = code.data(), n = code.size()] { table_.keys(from, n, offset, data); });
        return py::make_tuple(array_of(std::move(offset)), array_of(std::move(data)));
    }
    const py::object& kept() const { return kept_; }
    int64_t size() const { return table_.size(); }
    int64_t n_bytes() const { return table_.n_bytes(); }

  private:
    template <class Work>
    static void without_gil(Work&& work) {
        py::gil_scoped_release release;
        work();
    }

    cxcore::UserTable table_;
    py::object kept_ = py::none();
};

py::dict build() {
    py::dict info;
    info["version"] = CXCORE_VERSION;
    info["debug"] = static_cast<bool>(CXCORE_DEBUG);
    info["sanitize"] = CXCORE_SANITIZE;
    info["compiler"] = CXCORE_COMPILER;
    return info;
}

}  // namespace

PYBIND11_MODULE(native, module) {
    module.doc() = "Arrow streams in, keys out.";
    module.def("encode_keys", &encode_keys, py::arg("columns"), py::arg("null_is_key"), py::arg("n_threads"));
    module.def("split_paths", &split_paths, py::arg("column"), py::arg("separator"), py::arg("n_threads"));
    module.def("channels_of", &channels_of, py::arg("number"));
    module.def("what_rows_say", &what_rows_say, py::arg("number"), py::arg("known").noconvert(),
               py::arg("converted"));
    module.def("values_at", &values_at, py::arg("value"), py::arg("row"), py::arg("found").noconvert());
    module.def("reached_rows", &reached_rows, py::arg("user"), py::arg("converted"), py::arg("number"),
               py::arg("known").noconvert(), py::arg("tick").noconvert(), py::arg("lookback"),
               py::arg("n_threads"));
    module.def("largest", &largest, py::arg("value"));
    module.def("codes_of", &codes_of, py::arg("code").noconvert(), py::arg("flag"), py::arg("n_codes"));
    module.def("tell_apart", &tell_apart, py::arg("column"), py::arg("n_threads"),
               py::arg("code").noconvert());
    module.def("mark_rows", &mark_rows, py::arg("column"), py::arg("bits"), py::arg("mark").noconvert());
    module.def("empty", &empty, py::arg("n_bytes"));
    py::class_<Users>(module, "UserTable")
        .def(py::init<int64_t>(), py::arg("width"))
        .def("encode", &Users::encode, py::arg("offset"), py::arg("data"))
        .def("nobody", &Users::nobody)
        .def("meet", &Users::meet, py::arg("batch"), py::arg("open"), py::arg("due"), py::arg("last"))
        .def("get", &Users::get, py::arg("code"))
        .def("line", &Users::line, py::arg("number"))
        .def("put", &Users::put, py::arg("code"), py::arg("facts"), py::arg("kept"))
        .def("keys", &Users::keys, py::arg("code"))
        .def_property_readonly("kept", &Users::kept)
        .def_property_readonly("n_bytes", &Users::n_bytes)
        .def("__len__", &Users::size);
    module.def("build", &build);
}
