// Additive hazards with exponential kernels: one pass of EM over journeys, and credit by share of the hazard.
//
// Zhang, Wei, Ren 2014, "Multi-Touch Attribution in Online Advertising with Survival Theory": the touches of
// a journey, of channels c(i) at times t_i, add to its hazard beta_c omega_c exp(-omega_c (t - t_i)). A
// journey that converts at T has the density h(T) exp(-H(T)), one that does not until T the chance
// exp(-H(T)), with H = sum of beta_c (1 - exp(-omega_c d_i)), d_i = T - t_i. Posterior of touch i: its share
// of h(T). Ages have half a tick more: a tick is all that is known of an instant. Shares are taken in
// logarithms: no 0 / 0. Cost: two exponentials for each touch of each window; blocks of users, added in their
// order.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "cxcore/journeys.hpp"
#include "cxcore/threads.hpp"

namespace cxcore {

struct Hazard {  // by channel
    const double* beta;
    const double* omega;    // per second
    double ticks, seconds;  // so many ticks are so many seconds; one of them is 1
};

// In seconds, and the same bits whatever the unit of the log.
inline double since(const Hazard& h, int64_t now, int64_t then) {
    return static_cast<double>(age(now, then)) * h.seconds / h.ticks + 0.5;
}

// The share of each touch of a window in the hazard at its end, and the logarithm of that hazard.
inline double shares(const Journeys& j, const Hazard& hazard, int64_t now, int64_t lo, int64_t hi,
                     std::vector<double>& share) {
    share.resize(static_cast<size_t>(hi - lo));
    double most = -std::numeric_limits<double>::infinity();
    for (int64_t i = lo; i < hi; ++i) {
        const int32_t c = j.channel[i];
        const double d = since(hazard, now, j.tick[i]);
        const double one = std::log(hazard.beta[c] * hazard.omega[c]) - hazard.omega[c] * d;
        most = std::max(most, share[static_cast<size_t>(i - lo)] = one);
    }
    double sum = 0.0;
    for (double& one : share) sum += one = std::exp(one - most);
    for (double& one : share) one /= sum;
    return most + std::log(sum);
}

struct Moments {                              // of one channel; all that a step of EM asks for
    double share = 0.0, share_age = 0.0;      // sums of p and p d over conversions
    double exposed = 0.0, exposed_age = 0.0;  // sums of 1 - exp(-omega d) and d exp(-omega d) over journeys
};

class HazardPass {
  public:
    HazardPass(const Journeys& j, const int64_t* conversion_tick, const Hazard& hazard, int64_t end)
        : j_(j),
          conversion_tick_(conversion_tick),
          hazard_(hazard),
          end_(end) {}

    double user(int64_t u, Moments* moments) {
        const double times = j_.times ? j_.times[u] : 1.0;
        double logs = 0.0;
        if (times == 0.0) return 0.0;
        for (int64_t k = j_.conversion_offset[u]; k < j_.conversion_offset[u + 1]; ++k) {
            const int64_t lo = j_.lo[k], hi = j_.hi[k], now = conversion_tick_[k];
            if (lo == hi) continue;
            logs += times * shares(j_, hazard_, now, lo, hi, share_);
            for (int64_t i = lo; i < hi; ++i) {
                Moments& mine = moments[j_.channel[i]];
                const double p = times * share_[static_cast<size_t>(i - lo)];
                mine.share += p;
                mine.share_age += p * since(hazard_, now, j_.tick[i]);
                expose(mine, i, now, times);
            }
        }
        if (j_.null_lo)
            for (int64_t i = j_.null_lo[u]; i < j_.null_hi[u]; ++i)
                expose(moments[j_.channel[i]], i, end_, times);
        return logs;
    }

  private:
    void expose(Moments& mine, int64_t i, int64_t now, double times) const {
        const double d = since(hazard_, now, j_.tick[i]), omega = hazard_.omega[j_.channel[i]];
        mine.exposed -= times * std::expm1(-omega * d);
        mine.exposed_age += times * d * std::exp(-omega * d);
    }
    const Journeys& j_;
    const int64_t* conversion_tick_;
    Hazard hazard_;
    int64_t end_;
    std::vector<double> share_{};
};

// OUT moments double[n_channels, 4] share, share times age, exposed, exposed times age.
// Returns the log-likelihood of beta and omega.
inline double hazard_pass(const Journeys& j, const int64_t* conversion_tick, int64_t n_channels,
                          const Hazard& hazard, int64_t end, int n_threads, double* moments) {
    const int64_t most = std::clamp<int64_t>((1 << 20) / (n_channels + 1), 1, 128);
    const int64_t size = std::max<int64_t>(64, (j.n_users + most - 1) / most);
    const int64_t n_blocks = (j.n_users + size - 1) / size;
    std::vector<Moments> partial(static_cast<size_t>(n_blocks * n_channels));
    std::vector<double> logs(static_cast<size_t>(n_blocks));
    for_each_piece(n_blocks, n_threads, [&](int64_t block) {
        HazardPass pass(j, conversion_tick, hazard, end);
        Moments* const mine = partial.data() + block * n_channels;
        double sum = 0.0;
        for (int64_t u = block * size; u < std::min(j.n_users, (block + 1) * size); ++u)
            sum += pass.user(u, mine);
        logs[static_cast<size_t>(block)] = sum;
    });
    double likelihood = 0.0;
    std::fill(moments, moments + 4 * n_channels, 0.0);
    for (int64_t b = 0; b < n_blocks; ++b) {
        likelihood += logs[static_cast<size_t>(b)];
        for (int64_t c = 0; c < n_channels; ++c) {
            const Moments& one = partial[static_cast<size_t>(b * n_channels + c)];
            moments[4 * c] += one.share;
            moments[4 * c + 1] += one.share_age;
            moments[4 * c + 2] += one.exposed;
            moments[4 * c + 3] += one.exposed_age;
        }
    }
    for (int64_t c = 0; c < n_channels; ++c) likelihood -= hazard.beta[c] * moments[4 * c + 2];
    return likelihood;
}

// OUT credit double[n_touches, 2]: conversions and value that each touch earned, added to
inline void hazard_credit(const Journeys& j, const int64_t* conversion_tick, const Hazard& hazard,
                          int n_threads, double* credit) {
    for_each_block(j.n_users, user_block, n_threads, [&](int64_t from, int64_t to) {
        std::vector<double> share;
        for (int64_t u = from; u < to; ++u) {
            const double times = j.times ? j.times[u] : 1.0;
            for (int64_t k = j.conversion_offset[u]; k < j.conversion_offset[u + 1]; ++k) {
                if (j.lo[k] == j.hi[k]) continue;
                shares(j, hazard, conversion_tick[k], j.lo[k], j.hi[k], share);
                for (int64_t i = j.lo[k]; i < j.hi[k]; ++i) {
                    const double part = times * share[static_cast<size_t>(i - j.lo[k])];
                    credit[2 * i] += part;
                    credit[2 * i + 1] += part * j.value[k];
                }
            }
        }
    });
}

}  // namespace cxcore
