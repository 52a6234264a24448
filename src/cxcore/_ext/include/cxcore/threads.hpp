// Threads for kernels: fixed pieces of work, taken in order, so that an answer never depends on how many
// hands there are. A piece must not throw; what it throws (out of memory) is thrown again by the caller's
// thread after all have stopped.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace cxcore {

template <class Work>
void for_each_piece(int64_t n_pieces, int n_threads, Work&& work) {
    const int hands = static_cast<int>(std::min<int64_t>(n_threads, n_pieces));
    if (hands <= 1) {
        for (int64_t piece = 0; piece < n_pieces; ++piece) work(piece);
        return;
    }
    std::atomic<int64_t> next{0};
    std::exception_ptr failure;
    std::mutex guard;
    auto hand = [&] {
        try {
            for (int64_t piece; (piece = next.fetch_add(1)) < n_pieces;) work(piece);
        } catch (...) {
            next.store(n_pieces);
            std::lock_guard<std::mutex> lock(guard);
            if (!failure) failure = std::current_exception();
        }
    };
    std::vector<std::thread> helpers;
    helpers.reserve(static_cast<size_t>(hands - 1));
    try {
        for (int k = 1; k < hands; ++k) helpers.emplace_back(hand);
    } catch (const std::system_error&) {
        // the machine gives no more threads: those that run do the work
    }
    hand();
    for (auto& helper : helpers) helper.join();
    if (failure) std::rethrow_exception(failure);
}

// Rows cut into pieces of one fixed size.
template <class Work>
void for_each_block(int64_t n, int64_t block, int n_threads, Work&& work) {
    for_each_piece((n + block - 1) / block, n_threads,
                   [&](int64_t piece) { work(piece * block, std::min(n, (piece + 1) * block)); });
}

// Before threads write side by side to new memory: of two that ask for one huge page at a time, each clears
// 2 MB, and one has done so for nothing. So each page is asked for once, by a write of its own.
template <class T>
void touch_pages(T* at, int64_t n, int n_threads) {
    constexpr int64_t page = (int64_t{1} << 21) / static_cast<int64_t>(sizeof(T));
    if (n_threads > 1 && n > page)
        for_each_block(n, page, n_threads, [=](int64_t from, int64_t) { at[from] = T(); });
}

}  // namespace cxcore
