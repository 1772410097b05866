// SPDX-License-Identifier: Apache-2.0
// A small fork-join pool. A job is announced by a ticket: its number in the high half, the next index in the low half.
// A worker takes an index by compare-and-swap, which fails if the job has changed meanwhile, so a worker that was
// asleep for whole jobs can never run an old body on a new index.
#include "lm_kernels.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#define CLOSED 0xFFFFFFFFu
#define SPINS 4000

struct forage_pool {
    int threads;
    pthread_t *workers;
    _Atomic uint64_t ticket;
    _Atomic(void (*)(void *, int, int)) body;
    _Atomic(void *) context;
    _Atomic int count;
    _Atomic int done;
    _Atomic int sleeping;
    _Atomic int stopping;
    pthread_mutex_t lock;
    pthread_cond_t wake;
};

typedef struct {
    forage_pool *pool;
    int index;
} worker_start;

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/// Takes and runs one index of the current job; 0 when there is none left.
static int take(forage_pool *pool, int worker) {
    uint64_t ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
    for (;;) {
        uint32_t index = (uint32_t)ticket;
        if (index == CLOSED) return 0;
        int count = atomic_load_explicit(&pool->count, memory_order_relaxed);
        if (index >= (uint32_t)count) return 0;
        void (*body)(void *, int, int) = atomic_load_explicit(&pool->body, memory_order_relaxed);
        void *context = atomic_load_explicit(&pool->context, memory_order_relaxed);
        if (atomic_compare_exchange_weak_explicit(
                &pool->ticket, &ticket, ticket + 1, memory_order_acq_rel, memory_order_acquire)) {
            body(context, (int)index, worker);
            atomic_fetch_add_explicit(&pool->done, 1, memory_order_release);
            return 1;
        }
    }
}

static void *work(void *argument) {
    worker_start start = *(worker_start *)argument;
    free(argument);
    forage_pool *pool = start.pool;
    int idle = 0;
    while (!atomic_load_explicit(&pool->stopping, memory_order_acquire)) {
        if (take(pool, start.index)) {
            idle = 0;
            continue;
        }
        if (++idle < SPINS) {
            relax();
            continue;
        }
        uint64_t seen = atomic_load(&pool->ticket);
        pthread_mutex_lock(&pool->lock);
        atomic_fetch_add(&pool->sleeping, 1);
        while (!atomic_load(&pool->stopping) && (atomic_load(&pool->ticket) >> 32) == (seen >> 32))
            pthread_cond_wait(&pool->wake, &pool->lock);
        atomic_fetch_sub(&pool->sleeping, 1);
        pthread_mutex_unlock(&pool->lock);
        idle = 0;
    }
    return NULL;
}

forage_pool *forage_pool_create(int threads) {
    if (threads < 1) threads = 1;
    if (threads > 256) threads = 256;
    forage_pool *pool = calloc(1, sizeof *pool);
    if (!pool) return NULL;
    pool->workers = calloc((size_t)threads, sizeof *pool->workers);
    if (!pool->workers) {
        free(pool);
        return NULL;
    }
    atomic_store(&pool->ticket, (uint64_t)CLOSED);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pool->threads = 1;
    for (int i = 1; i < threads; i++) {
        worker_start *start = malloc(sizeof *start);
        if (!start) break;
        *start = (worker_start){pool, i};
        if (pthread_create(&pool->workers[i], NULL, work, start) != 0) {
            free(start);
            break;
        }
        pool->threads++;
    }
    return pool;
}

void forage_pool_destroy(forage_pool *pool) {
    if (!pool) return;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->stopping, 1);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 1; i < pool->threads; i++) pthread_join(pool->workers[i], NULL);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->wake);
    free(pool->workers);
    free(pool);
}

int forage_pool_threads(const forage_pool *pool) { return pool->threads; }

void forage_pool_run(forage_pool *pool, int count, void (*body)(void *, int, int), void *context) {
    if (count <= 0) return;
    if (pool->threads == 1 || count == 1) {
        for (int i = 0; i < count; i++) body(context, i, 0);
        return;
    }
    uint64_t job = ((atomic_load_explicit(&pool->ticket, memory_order_relaxed) >> 32) + 1) & 0xFFFFFFFFu;
    atomic_store_explicit(&pool->ticket, job << 32 | CLOSED, memory_order_seq_cst);
    atomic_store_explicit(&pool->body, body, memory_order_relaxed);
    atomic_store_explicit(&pool->context, context, memory_order_relaxed);
    atomic_store_explicit(&pool->count, count, memory_order_relaxed);
    atomic_store_explicit(&pool->done, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->ticket, job << 32, memory_order_seq_cst);
    if (atomic_load_explicit(&pool->sleeping, memory_order_seq_cst) > 0) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_broadcast(&pool->wake);
        pthread_mutex_unlock(&pool->lock);
    }
    while (take(pool, 0)) {}
    int spins = 0;
    while (atomic_load_explicit(&pool->done, memory_order_acquire) < count) {
        relax();
        if (++spins > 2000) {
            sched_yield();
            spins = 0;
        }
    }
}
