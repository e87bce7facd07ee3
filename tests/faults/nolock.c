#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
/* Locks that are acknowledged and exclude nobody, or that the mount doesn't know (NOLOCK=enolck). */
static int refused(void) { const char *how = getenv("NOLOCK"); if (how && how[0] == 'e') { errno = ENOLCK; return -1; } return 0; }
static int spared(const char *what) { const char *s = getenv("NOLOCK_SPARES"); return s && s[0] == what[0]; }
int flock(int fd, int operation) {
    int (*real)(int, int) = dlsym(RTLD_NEXT, "flock");
    return spared("flock") ? real(fd, operation) : refused();
}
static int lock(const char *name, int fd, int cmd, void *arg) {
    int (*real)(int, int, void *) = dlsym(RTLD_NEXT, name);
    if (!spared("posix")) switch (cmd) {
    case F_SETLK: case F_SETLKW: case F_OFD_SETLK: case F_OFD_SETLKW: return refused();
    case F_GETLK: case F_OFD_GETLK: ((struct flock *)arg)->l_type = F_UNLCK; return refused();
    }
    return real(fd, cmd, arg);
}
int fcntl(int fd, int cmd, ...) { va_list a; va_start(a, cmd); void *arg = va_arg(a, void *); va_end(a); return lock("fcntl", fd, cmd, arg); }
int fcntl64(int fd, int cmd, ...) { va_list a; va_start(a, cmd); void *arg = va_arg(a, void *); va_end(a); return lock("fcntl64", fd, cmd, arg); }
