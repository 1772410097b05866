// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "safe_files.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

// MARK: Opening beneath a folder

/// Whether every part of a relative name is a plain one.
static int is_plain(const char *name) {
    if (*name == '\0' || *name == '/') return 0;
    while (*name) {
        size_t length = strcspn(name, "/");
        if (length == 0 || length > 255) return 0;
        if (length == 1 && name[0] == '.') return 0;
        if (length == 2 && name[0] == '.' && name[1] == '.') return 0;
        name += length;
        if (*name == '/') name++;
        else break;
    }
    return 1;
}

static int open_parts(int folder, const char *name, int flags, unsigned mode) {
    int at = folder;
    for (;;) {
        size_t length = strcspn(name, "/");
        char part[256];
        memcpy(part, name, length);
        part[length] = '\0';
        int is_last = name[length] == '\0';
        int next = is_last ? openat(at, part, flags | O_NOFOLLOW | O_CLOEXEC, mode)
                           : openat(at, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int error = errno;
        if (at != folder) close(at);
        if (next < 0) return -error;
        if (is_last) return next;
        at = next;
        name += length + 1;
    }
}

int forage_open_beneath(const char *folder, const char *name, int flags, unsigned mode) {
    if (!is_plain(name)) return -EXDEV;
    int directory = open(*folder ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return -errno;
    int result = -ENOSYS;
#if defined(__linux__) && defined(SYS_openat2)
    struct {
        uint64_t flags, mode, resolve;
    } how = {(uint64_t)(flags | O_CLOEXEC), flags & O_CREAT ? mode : 0, 0x08 | 0x04 /* BENEATH, NO_SYMLINKS */};
    long opened = syscall(SYS_openat2, directory, name, &how, sizeof how);
    result = opened >= 0 ? (int)opened : -errno;
#endif
    // An old kernel, or a sandbox that knows the call not.
    if (result == -ENOSYS || result == -EPERM || result == -EINVAL) result = open_parts(directory, name, flags, mode);
    close(directory);
    return result;
}

// MARK: Mapped files that become shorter

#define MAPPINGS 4096

typedef struct {
    _Atomic uintptr_t start, end; // start 0: free; 1: being taken
    atomic_int torn;
} mapping;

static mapping mappings[MAPPINGS];
static atomic_int mapping_count; // no mapping at this place or behind it was ever taken
static _Atomic uint64_t torn_pages;
static struct sigaction previous_action;
static pthread_once_t installed = PTHREAD_ONCE_INIT;
static uintptr_t page_size;

/// Runs on the thread that read the page. `mmap` is a plain system call here, safe in a handler.
static void on_bus_error(int signal, siginfo_t *info, void *context) {
    (void)context;
    int error = errno;
    uintptr_t at = (uintptr_t)info->si_addr;
    int count = atomic_load_explicit(&mapping_count, memory_order_acquire);
    for (int i = 0; i < count; i++) {
        uintptr_t start = atomic_load_explicit(&mappings[i].start, memory_order_acquire);
        if (start <= 1 || at < start || at >= atomic_load_explicit(&mappings[i].end, memory_order_acquire)) continue;
        void *page = (void *)(at & ~(page_size - 1));
        if (mmap(page, page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) break;
        atomic_store(&mappings[i].torn, 1);
        atomic_fetch_add(&torn_pages, 1);
        errno = error;
        return;
    }
    // Not one of ours: the fault happens again, and whoever watched before gets it.
    sigaction(signal, &previous_action, NULL);
    errno = error;
}

static void install(void) {
    page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &previous_action);
}

int forage_mapping_add(const void *start, size_t length) {
    if (!start || length == 0) return -1;
    pthread_once(&installed, install);
    for (int i = 0; i < MAPPINGS; i++) {
        uintptr_t none = 0;
        if (!atomic_compare_exchange_strong(&mappings[i].start, &none, 1)) continue;
        atomic_store(&mappings[i].torn, 0);
        atomic_store_explicit(&mappings[i].end, (uintptr_t)start + length, memory_order_release);
        atomic_store_explicit(&mappings[i].start, (uintptr_t)start, memory_order_release);
        int count = atomic_load(&mapping_count);
        while (count <= i && !atomic_compare_exchange_weak(&mapping_count, &count, i + 1)) {}
        return i;
    }
    return -1;
}

int forage_mapping_is_torn(int mapping) {
    return mapping >= 0 && mapping < MAPPINGS ? atomic_load_explicit(&mappings[mapping].torn, memory_order_relaxed) : 0;
}

void forage_mapping_remove(int mapping) {
    if (mapping >= 0 && mapping < MAPPINGS) atomic_store_explicit(&mappings[mapping].start, 0, memory_order_release);
}

uint64_t forage_mapping_torn_pages(void) { return atomic_load_explicit(&torn_pages, memory_order_relaxed); }
