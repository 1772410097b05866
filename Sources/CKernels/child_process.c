// SPDX-License-Identifier: Apache-2.0

// pipe2, closefrom and chdir in a child are GNU's, which Swift's C library module does not show: hence this file.
#define _GNU_SOURCE 1

#include "child_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

static int make_pipe(int ends[2]) {
#if defined(__linux__)
    return pipe2(ends, O_CLOEXEC) == 0 ? 0 : errno;
#else
    if (pipe(ends) != 0) return errno;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    return 0;
#endif
}

int forage_spawn(const char *path, char *const *arguments, char *const *environment, const char *directory, int *pipes,
                 pid_t *pid) {
    int ends[6] = {-1, -1, -1, -1, -1, -1};
    int status = 0;
    for (int i = 0; i < 3 && status == 0; i++) status = make_pipe(&ends[2 * i]);

    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    if (status == 0) {
        posix_spawn_file_actions_adddup2(&actions, ends[0], 0);
        posix_spawn_file_actions_adddup2(&actions, ends[3], 1);
        posix_spawn_file_actions_adddup2(&actions, ends[5], 2);
        if (directory) posix_spawn_file_actions_addchdir_np(&actions, directory);
        short flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
#if defined(__linux__)
        posix_spawn_file_actions_addclosefrom_np(&actions, 3);
#else
        flags |= POSIX_SPAWN_CLOEXEC_DEFAULT;
#endif
        sigset_t all, none;
        sigfillset(&all);
        sigemptyset(&none);
        posix_spawnattr_setsigdefault(&attributes, &all);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setpgroup(&attributes, 0);
        posix_spawnattr_setflags(&attributes, flags);
        status = posix_spawn(pid, path, &actions, &attributes, arguments, environment);
    }
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);

    const int theirs[3] = {ends[0], ends[3], ends[5]};
    const int ours[3] = {ends[1], ends[2], ends[4]};
    for (int i = 0; i < 3; i++) {
        if (theirs[i] >= 0) close(theirs[i]);
        if (status != 0 && ours[i] >= 0) close(ours[i]);
        pipes[i] = status == 0 ? ours[i] : -1;
    }
    return status;
}
