// Answers as counts: one pass over a column of answers of any numeric width.
// Bytes are compared with each level in registers, and the hits are summed in byte lanes (at most 255 steps,
// then a flush); wider answers are first narrowed, a cache-sized block at a time, to the index of their level.
// With groups the same index goes into a table of counters; small tables are kept four times, so that a run of
// equal answers does not wait for its own last store.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

// One binary, the wide registers where the machine has them (no -march in the build). ifunc resolvers run
// before a sanitizer is up, so sanitized builds take the plain path.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(CXCORE_NO_CLONES)
#define CXCORE_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define CXCORE_CLONES
#endif

namespace cxcore {

// n_values <= MOST_VALUES; the index OTHER is whatever is no value.
constexpr int MOST_VALUES = 250;
constexpr std::int64_t BLOCK = 4096;
constexpr std::int64_t SMALL_TABLE = 1024;

#if defined(__GNUC__)
typedef unsigned char Lanes __attribute__((vector_size(32), aligned(1), may_alias));

inline std::int64_t sum_lanes(const Lanes& lanes) {
  unsigned char each[sizeof(Lanes)];
  std::memcpy(each, &lanes, sizeof each);
  std::int64_t sum = 0;
  for (unsigned char one : each) sum += one;
  return sum;
}

// hits of each value among n bytes; adds to counts
CXCORE_CLONES
static void count_bytes(const unsigned char* answer, std::int64_t n, const unsigned char* value, int n_values,
                        std::int64_t* counts) {
  constexpr std::int64_t WIDTH = sizeof(Lanes), STEPS = 255;
  std::int64_t done = 0;
  while (n - done >= WIDTH) {
    std::int64_t steps = (n - done) / WIDTH;
    if (steps > STEPS) steps = STEPS;
    const unsigned char* block = answer + done;
    int k = 0;
    for (; k + 4 <= n_values; k += 4) {  // four levels share each load
      Lanes sum0 = {}, sum1 = {}, sum2 = {}, sum3 = {};
      const Lanes want0 = Lanes{} + value[k], want1 = Lanes{} + value[k + 1];
      const Lanes want2 = Lanes{} + value[k + 2], want3 = Lanes{} + value[k + 3];
      for (std::int64_t step = 0; step < steps; ++step) {
        const Lanes x = *reinterpret_cast<const Lanes*>(block + step * WIDTH);
        sum0 -= (Lanes)(x == want0);  // a hit is -1
        sum1 -= (Lanes)(x == want1);
        sum2 -= (Lanes)(x == want2);
        sum3 -= (Lanes)(x == want3);
      }
      counts[k] += sum_lanes(sum0);
      counts[k + 1] += sum_lanes(sum1);
      counts[k + 2] += sum_lanes(sum2);
      counts[k + 3] += sum_lanes(sum3);
    }
    for (; k < n_values; ++k) {
      Lanes sum = {};
      const Lanes want = Lanes{} + value[k];
      for (std::int64_t step = 0; step < steps; ++step)
        sum -= (Lanes)(*reinterpret_cast<const Lanes*>(block + step * WIDTH) == want);
      counts[k] += sum_lanes(sum);
    }
    done += steps * WIDTH;
  }
  for (; done < n; ++done)
    for (int k = 0; k < n_values; ++k) counts[k] += answer[done] == value[k];
}
#else
static void count_bytes(const unsigned char* answer, std::int64_t n, const unsigned char* value, int n_values,
                        std::int64_t* counts) {
  std::int64_t table[256] = {0};
  for (std::int64_t i = 0; i < n; ++i) ++table[answer[i]];
  for (int k = 0; k < n_values; ++k) counts[k] += table[value[k]];
}
#endif

// The values that are counted: a run first, first + 1, … of the scale, then single codes.
struct Values {
  std::int64_t first;
  int n_run;
  const std::int64_t* single;
  int n_single;
  int size() const { return n_run + n_single; }
};

// index of each answer's value in a byte; values.size() where it has none. Branch-free, so it vectorises.
template <typename T>
inline void narrow_block(const T* answer, std::int64_t n, const Values& values, unsigned char* index) {
  const unsigned char other = static_cast<unsigned char>(values.size());
  const int n_run = values.n_run;
  if constexpr (std::is_floating_point_v<T>) {
    const T first = static_cast<T>(values.first), end = static_cast<T>(values.first + n_run);
    for (std::int64_t i = 0; i < n; ++i) {
      const T x = answer[i];
      const bool inside = x >= first && x < end;  // false for NaN
      const int step = static_cast<int>(inside ? x - first : T(0));
      index[i] = inside && static_cast<T>(step) == x - first ? static_cast<unsigned char>(step) : other;
    }
  } else {
    using U = std::make_unsigned_t<T>;
    const U first = static_cast<U>(values.first);
    const U run = static_cast<U>(n_run);
    for (std::int64_t i = 0; i < n; ++i) {
      const U step = static_cast<U>(static_cast<U>(answer[i]) - first);  // below the run wraps to far above
      index[i] = step < run ? static_cast<unsigned char>(step) : other;
    }
  }
  for (int k = 0; k < values.n_single; ++k) {
    const T code = static_cast<T>(values.single[k]);
    const unsigned char at = static_cast<unsigned char>(n_run + k);
    for (std::int64_t i = 0; i < n; ++i) index[i] = answer[i] == code ? at : index[i];
  }
}

// counts int64[size + 1] += answers of each value, then of none. Values must fit T.
template <typename T>
inline void count_levels(const T* answer, std::int64_t n, const Values& values, std::int64_t* counts) {
  const int size = values.size();
  unsigned char code[MOST_VALUES];
  std::int64_t hits[MOST_VALUES] = {0};
  if constexpr (sizeof(T) == 1) {
    for (int k = 0; k < size; ++k)
      code[k] = static_cast<unsigned char>(k < values.n_run ? values.first + k : values.single[k - values.n_run]);
    count_bytes(reinterpret_cast<const unsigned char*>(answer), n, code, size, hits);
  } else {
    unsigned char index[BLOCK];
    for (int k = 0; k < size; ++k) code[k] = static_cast<unsigned char>(k);
    for (std::int64_t done = 0; done < n; done += BLOCK) {
      const std::int64_t some = n - done < BLOCK ? n - done : BLOCK;
      narrow_block(answer + done, some, values, index);
      count_bytes(index, some, code, size, hits);
    }
  }
  std::int64_t other = n;
  for (int k = 0; k < size; ++k) {
    counts[k] += hits[k];
    other -= hits[k];
  }
  counts[size] += other;
}

// counts int64[n_groups, size + 1] += the same by group code 0..n_groups - 1.
template <typename T>
inline void count_levels_by(const T* answer, const std::int32_t* group, std::int64_t n, std::int64_t n_groups,
                            const Values& values, std::int64_t* counts) {
  const std::int64_t row = values.size() + 1, cells = n_groups * row;
  unsigned char index[BLOCK];
  if (cells > SMALL_TABLE) {
    for (std::int64_t done = 0; done < n; done += BLOCK) {
      const std::int64_t some = n - done < BLOCK ? n - done : BLOCK;
      narrow_block(answer + done, some, values, index);
      for (std::int64_t i = 0; i < some; ++i) ++counts[group[done + i] * row + index[i]];
    }
    return;
  }
  std::int64_t table[4][SMALL_TABLE];
  std::memset(table, 0, sizeof table);
  for (std::int64_t done = 0; done < n; done += BLOCK) {
    const std::int64_t some = n - done < BLOCK ? n - done : BLOCK;
    narrow_block(answer + done, some, values, index);
    const std::int32_t* code = group + done;
    std::int64_t i = 0;
    for (; i + 4 <= some; i += 4) {
      ++table[0][code[i] * row + index[i]];
      ++table[1][code[i + 1] * row + index[i + 1]];
      ++table[2][code[i + 2] * row + index[i + 2]];
      ++table[3][code[i + 3] * row + index[i + 3]];
    }
    for (; i < some; ++i) ++table[0][code[i] * row + index[i]];
  }
  for (std::int64_t cell = 0; cell < cells; ++cell)
    counts[cell] += table[0][cell] + table[1][cell] + table[2][cell] + table[3][cell];
}

}  // namespace cxcore
