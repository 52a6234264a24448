#pragma once

// One binary, the wide registers where the machine has them (no -march in the build). ifunc resolvers run
// before a sanitizer is up, so sanitized builds take the plain path.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(CXCORE_NO_CLONES)
#define CXCORE_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define CXCORE_CLONES
#endif
