/* Preloaded into a process, this counts its calls that lock a region of a file: one byte appended per call. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

static void count(int command, const struct flock *lock) {
    static int out = -2;
    if (command != F_SETLK && command != F_SETLKW && command != F_OFD_SETLK && command != F_OFD_SETLKW) return;
    if (lock == NULL || lock->l_type == F_UNLCK) return;
    if (out == -2) {
        const char *path = getenv("TESTS_LOCK_COUNT");
        out = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    }
    if (out >= 0 && write(out, ".", 1) != 1) abort();
}

#define FORWARD(name)                                                                  \
    int name(int descriptor, int command, ...) {                                       \
        static int (*next)(int, int, ...);                                             \
        va_list rest;                                                                  \
        va_start(rest, command);                                                       \
        void *argument = va_arg(rest, void *);                                         \
        va_end(rest);                                                                  \
        if (!next) next = (int (*)(int, int, ...))dlsym(RTLD_NEXT, #name);             \
        count(command, (const struct flock *)argument);                                \
        return next(descriptor, command, argument);                                    \
    }

FORWARD(fcntl)
FORWARD(fcntl64)
