/* Preloaded into the processes of an app, this appends each change of its SQLite files to a journal, in order: what was
 * written where, and which flushes began and ended. Whatever else changes such a file ends the process, so that a journal
 * is whole or is not there.
 *
 * TESTS_POWER_DATABASE is the absolute path of the database, TESTS_POWER_JOURNAL that of the journal. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MAIN = 1, WAL, ROLLBACK, FOLDER };
enum { OPEN = 1, WRITE, TRUNCATE, UNLINK, SYNC_BEGIN, SYNC_END };
enum { DESCRIPTORS = 65536 };

struct record {
    uint32_t magic;
    uint8_t kind, file;
    uint16_t unused;
    uint64_t at, token;
    uint32_t length;
} __attribute__((packed));

static uint8_t files[DESCRIPTORS];
static uint64_t syncs;

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void fail(const char *what) {
    syscall(SYS_write, 2, what, strlen(what));
    abort();
}

/* One call, so that records of several processes do not mix. */
static void note(int kind, int file, uint64_t at, uint64_t token, const void *data, size_t length) {
    static int out = -1;
    static pid_t owner;
    if (out < 0 || owner != getpid()) {
        out = syscall(SYS_openat, AT_FDCWD, getenv("TESTS_POWER_JOURNAL"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        owner = getpid();
        if (out < 0) fail("no journal of writes can be opened\n");
    }
    struct record head = {0x4c4e524a, kind, file, 0, at, token, length};
    struct iovec parts[2] = {{&head, sizeof head}, {(void *)data, length}};
    if (syscall(SYS_writev, out, parts, length ? 2 : 1) != (long)(sizeof head + length)) fail("the journal of writes is full\n");
}

static int file_of(const char *path) {
    const char *database = getenv("TESTS_POWER_DATABASE");
    size_t length = database ? strlen(database) : 0;
    if (!length || !path) return 0;
    if (strncmp(path, database, length) == 0) {
        if (!path[length]) return MAIN;
        if (strcmp(path + length, "-wal") == 0) return WAL;
        if (strcmp(path + length, "-journal") == 0) return ROLLBACK;
        return 0;
    }
    size_t folder = strrchr(database, '/') - database;
    return strncmp(path, database, folder) == 0 && !path[folder] ? FOLDER : 0;
}

static int tracked(int descriptor) {
    return descriptor >= 0 && descriptor < DESCRIPTORS ? files[descriptor] : 0;
}

static int opened(int descriptor, const char *path) {
    if (descriptor >= 0 && descriptor < DESCRIPTORS) {
        files[descriptor] = file_of(path);
        if (files[descriptor] && files[descriptor] != FOLDER) note(OPEN, files[descriptor], 0, 0, NULL, 0);
    }
    return descriptor;
}

#define OPENS(name)                                                                              \
    int name(const char *path, int flags, ...) {                                                 \
        va_list rest;                                                                            \
        va_start(rest, flags);                                                                   \
        mode_t mode = va_arg(rest, mode_t);                                                      \
        va_end(rest);                                                                            \
        if (file_of(path) && (flags & O_TRUNC)) fail("an SQLite file was opened with O_TRUNC\n"); \
        return opened(NEXT(name)(path, flags, mode), path);                                      \
    }
OPENS(open)
OPENS(open64)

#define OPENS_AT(name)                                                                           \
    int name(int folder, const char *path, int flags, ...) {                                     \
        va_list rest;                                                                            \
        va_start(rest, flags);                                                                   \
        mode_t mode = va_arg(rest, mode_t);                                                      \
        va_end(rest);                                                                            \
        return opened(NEXT(name)(folder, path, flags, mode), path);                              \
    }
OPENS_AT(openat)
OPENS_AT(openat64)

int close(int descriptor) {
    if (tracked(descriptor)) files[descriptor] = 0;
    return NEXT(close)(descriptor);
}

#define WRITES_AT(name)                                                                          \
    ssize_t name(int descriptor, const void *data, size_t length, off_t at) {                    \
        ssize_t done = NEXT(name)(descriptor, data, length, at);                                 \
        if (done > 0 && tracked(descriptor)) note(WRITE, tracked(descriptor), at, 0, data, done); \
        return done;                                                                             \
    }
WRITES_AT(pwrite)
WRITES_AT(pwrite64)

ssize_t write(int descriptor, const void *data, size_t length) {
    int file = tracked(descriptor);
    off_t at = file ? lseek(descriptor, 0, SEEK_CUR) : 0;
    ssize_t done = syscall(SYS_write, descriptor, data, length);
    if (done > 0 && file) note(WRITE, file, at, 0, data, done);
    return done;
}

#define TRUNCATES(name)                                                                          \
    int name(int descriptor, off_t length) {                                                     \
        int failed = NEXT(name)(descriptor, length);                                             \
        if (!failed && tracked(descriptor)) note(TRUNCATE, tracked(descriptor), length, 0, NULL, 0); \
        return failed;                                                                           \
    }
TRUNCATES(ftruncate)
TRUNCATES(ftruncate64)

#define SYNCS(name)                                                                              \
    int name(int descriptor) {                                                                   \
        int file = tracked(descriptor);                                                          \
        uint64_t token = (uint64_t)getpid() << 32 | __sync_add_and_fetch(&syncs, 1);             \
        if (file) note(SYNC_BEGIN, file, 0, token, NULL, 0);                                     \
        int failed = NEXT(name)(descriptor);                                                     \
        if (file && !failed) note(SYNC_END, file, 0, token, NULL, 0);                            \
        return failed;                                                                           \
    }
SYNCS(fsync)
SYNCS(fdatasync)

int unlink(const char *path) {
    int failed = NEXT(unlink)(path);
    if (!failed && file_of(path)) note(UNLINK, file_of(path), 0, 0, NULL, 0);
    return failed;
}

int rename(const char *from, const char *to) {
    if (file_of(from) || file_of(to)) fail("an SQLite file was renamed\n");
    return NEXT(rename)(from, to);
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    if (tracked(descriptor)) fail("writev on an SQLite file\n");
    return NEXT(writev)(descriptor, parts, count);
}

int fallocate(int descriptor, int mode, off_t at, off_t length) {
    if (tracked(descriptor)) fail("fallocate on an SQLite file\n");
    return NEXT(fallocate)(descriptor, mode, at, length);
}

int posix_fallocate(int descriptor, off_t at, off_t length) {
    if (tracked(descriptor)) fail("posix_fallocate on an SQLite file\n");
    return NEXT(posix_fallocate)(descriptor, at, length);
}

void *mmap64(void *address, size_t length, int protection, int flags, int descriptor, off_t at) {
    if (tracked(descriptor) && (protection & PROT_WRITE) && (flags & MAP_SHARED)) fail("an SQLite file was mapped for writing\n");
    return NEXT(mmap64)(address, length, protection, flags, descriptor, at);
}
