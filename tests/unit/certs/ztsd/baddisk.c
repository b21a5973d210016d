/* SPDX-License-Identifier: MIT */
#include "tests/unit/certs/ztsd/baddisk.h"

#include <sqlite3.h>
#include <stdlib.h>

struct baddisk_file {
	sqlite3_file base;
	sqlite3_file real[]; /* as large as the real VFS wants it */
};

static struct {
	sqlite3_vfs *real, own;
	bool is_armed, has_failed;
	unsigned int left;
	enum baddisk_kind kind;
} baddisk;

static sqlite3_file *baddisk_real(sqlite3_file *file)
{
	return ((struct baddisk_file *)file)->real;
}

static bool baddisk_fails(bool is_write)
{
	if (!baddisk.is_armed || (baddisk.kind == BADDISK_FULL && !is_write))
		return false;
	if (baddisk.left) {
		baddisk.left--;
		return false;
	}
	baddisk.has_failed = true;
	baddisk.is_armed = baddisk.kind != BADDISK_ONCE;
	return true;
}

static int baddisk_close(sqlite3_file *file)
{
	sqlite3_file *real = baddisk_real(file);

	return real->pMethods ? real->pMethods->xClose(real) : SQLITE_OK;
}

static int baddisk_read(sqlite3_file *file, void *to, int n, sqlite3_int64 at)
{
	sqlite3_file *real = baddisk_real(file);

	return baddisk_fails(false) ? SQLITE_IOERR_READ : real->pMethods->xRead(real, to, n, at);
}

static int baddisk_write(sqlite3_file *file, const void *from, int n, sqlite3_int64 at)
{
	sqlite3_file *real = baddisk_real(file);

	if (!baddisk_fails(true))
		return real->pMethods->xWrite(real, from, n, at);
	(void)real->pMethods->xWrite(real, from, n / 2, at);
	return baddisk.kind == BADDISK_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int baddisk_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	sqlite3_file *real = baddisk_real(file);

	return baddisk_fails(false) ? SQLITE_IOERR_TRUNCATE : real->pMethods->xTruncate(real, size);
}

static int baddisk_sync(sqlite3_file *file, int flags)
{
	sqlite3_file *real = baddisk_real(file);

	return baddisk_fails(false) ? SQLITE_IOERR_FSYNC : real->pMethods->xSync(real, flags);
}

static int baddisk_size(sqlite3_file *file, sqlite3_int64 *ret)
{
	sqlite3_file *real = baddisk_real(file);

	return baddisk_fails(false) ? SQLITE_IOERR_FSTAT : real->pMethods->xFileSize(real, ret);
}

static int baddisk_lock(sqlite3_file *file, int kind)
{
	sqlite3_file *real = baddisk_real(file);

	return real->pMethods->xLock(real, kind);
}

static int baddisk_unlock(sqlite3_file *file, int kind)
{
	sqlite3_file *real = baddisk_real(file);

	return real->pMethods->xUnlock(real, kind);
}

static int baddisk_check_lock(sqlite3_file *file, int *ret)
{
	sqlite3_file *real = baddisk_real(file);

	return real->pMethods->xCheckReservedLock(real, ret);
}

static int baddisk_control(sqlite3_file *file, int op, void *arg)
{
	sqlite3_file *real = baddisk_real(file);

	return real->pMethods->xFileControl(real, op, arg);
}

static int baddisk_sector(sqlite3_file *file)
{
	sqlite3_file *real = baddisk_real(file);

	return real->pMethods->xSectorSize(real);
}

static int baddisk_traits(sqlite3_file *file)
{
	sqlite3_file *real = baddisk_real(file);

	return real->pMethods->xDeviceCharacteristics(real);
}

static int baddisk_map(sqlite3_file *file, int region, int size, int extends, void volatile **ret)
{
	sqlite3_file *real = baddisk_real(file);

	return baddisk_fails(extends) ? SQLITE_IOERR_SHMMAP :
					real->pMethods->xShmMap(real, region, size, extends, ret);
}

static int baddisk_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
	sqlite3_file *real = baddisk_real(file);

	return real->pMethods->xShmLock(real, offset, n, flags);
}

static void baddisk_barrier(sqlite3_file *file)
{
	sqlite3_file *real = baddisk_real(file);

	real->pMethods->xShmBarrier(real);
}

static int baddisk_unmap(sqlite3_file *file, int deletes)
{
	sqlite3_file *real = baddisk_real(file);

	return real->pMethods->xShmUnmap(real, deletes);
}

/* Version 2 has shared memory, which WAL needs, and no mapped files, past which it could read. */
static const sqlite3_io_methods baddisk_methods = {
	.iVersion = 2,
	.xClose = baddisk_close,
	.xRead = baddisk_read,
	.xWrite = baddisk_write,
	.xTruncate = baddisk_truncate,
	.xSync = baddisk_sync,
	.xFileSize = baddisk_size,
	.xLock = baddisk_lock,
	.xUnlock = baddisk_unlock,
	.xCheckReservedLock = baddisk_check_lock,
	.xFileControl = baddisk_control,
	.xSectorSize = baddisk_sector,
	.xDeviceCharacteristics = baddisk_traits,
	.xShmMap = baddisk_map,
	.xShmLock = baddisk_shm_lock,
	.xShmBarrier = baddisk_barrier,
	.xShmUnmap = baddisk_unmap,
};

static int baddisk_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret)
{
	sqlite3_file *real = baddisk_real(file);

	(void)vfs;
	file->pMethods = NULL;
	if (baddisk_fails(false))
		return SQLITE_CANTOPEN;
	file->pMethods = &baddisk_methods;
	return baddisk.real->xOpen(baddisk.real, name, real, flags, ret);
}

void baddisk_insert(void)
{
	baddisk.real = sqlite3_vfs_find(NULL);
	if (!baddisk.real)
		exit(2);
	baddisk.own = *baddisk.real;
	baddisk.own.zName = "baddisk";
	baddisk.own.szOsFile += (int)sizeof(struct baddisk_file);
	baddisk.own.xOpen = baddisk_open;
	if (sqlite3_vfs_register(&baddisk.own, 1) != SQLITE_OK)
		exit(2);
}

void baddisk_remove(void)
{
	sqlite3_vfs_unregister(&baddisk.own);
	sqlite3_vfs_register(baddisk.real, 1);
}

void baddisk_arm(unsigned int n, enum baddisk_kind kind)
{
	baddisk.left = n;
	baddisk.kind = kind;
	baddisk.has_failed = false;
	baddisk.is_armed = true;
}

bool baddisk_disarm(void)
{
	baddisk.is_armed = false;
	return baddisk.has_failed;
}
