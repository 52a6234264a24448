// What needs lifetimes: Arrow streams in, and how this core was built.
// Values go out as NumPy arrays that own what the core allocated.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <vector>

#include "cxcore/keys.hpp"
#include "cxcore/memory.hpp"
#include "cxcore/tell_apart.hpp"

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

cxcore::Column column_of(const py::handle& series) {
    const py::capsule capsule = series.attr("__arrow_c_stream__")();
    auto* stream = capsule.get_pointer<ArrowArrayStream>();
    return cxcore::Column(stream);  // the capsule releases the stream
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

// OUT code int32[n]
void tell_apart(const py::handle& series, int n_threads, py::array_t<int32_t, py::array::c_style>& code) {
    const cxcore::Column column = column_of(series);
    int32_t* const to = code.mutable_data();
    py::gil_scoped_release release;
    cxcore::tell_apart(column, n_threads, to);
}

// Memory for what a kernel writes: NumPy asks for huge pages from 4 MB on, and for whole ones only.
py::array_t<uint8_t> empty(int64_t n_bytes) {
    return array_of(cxcore::Array<uint8_t>(static_cast<size_t>(n_bytes)));
}

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
    module.def("tell_apart", &tell_apart, py::arg("column"), py::arg("n_threads"),
               py::arg("code").noconvert());
    module.def("empty", &empty, py::arg("n_bytes"));
    module.def("build", &build);
}
