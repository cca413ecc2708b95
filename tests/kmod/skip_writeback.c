// SPDX-License-Identifier: GPL-2.0-only
/*
 * skip_writeback - one file's pages are left dirty by its writeback, until umount has
 * synced for the first time and begins to tear the super block down
 *
 * For tests only. That is what a writeback leaves that could not get memory (fscrypt).
 * Write the file's path, while it is open and clean, to /sys/module/.../parameters/file.
 * It reads as how often its writeback was left out, and was done after that.
 *
 * It cannot be unloaded: there may always be a task in skip_writepages().
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/writeback.h>

#include "inode_at.h"

/* Set once, before skip_ops is seen by anyone */
static const struct address_space_operations *real_ops;
static struct address_space_operations skip_ops;
static bool killing;		/* kill_anon_super() was entered */
static atomic_t skipped, done;

static int skip_writepages(struct address_space *mapping, struct writeback_control *wbc)
{
	if (READ_ONCE(killing)) {
		atomic_inc(&done);
		return real_ops->writepages(mapping, wbc);
	}
	atomic_inc(&skipped);
	return 0;
}

static int file_set(const char *val, const struct kernel_param *kp)
{
	struct inode *inode = inode_at(val);
	struct address_space *mapping;
	int ret = 0;

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	mapping = inode->i_mapping;
	if (real_ops || !mapping->a_ops->writepages) {
		ret = -EINVAL;
	} else {
		real_ops = mapping->a_ops;
		skip_ops = *real_ops;
		skip_ops.writepages = skip_writepages;
		/* whoever sees skip_ops sees it filled in */
		smp_store_release(&mapping->a_ops, &skip_ops);
	}
	iput(inode);
	return ret;
}

static int file_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%d %d\n", atomic_read(&skipped), atomic_read(&done));
}

static const struct kernel_param_ops file_ops = { .set = file_set, .get = file_get };
module_param_cb(file, &file_ops, NULL, 0600);

static int on_kill(struct kprobe *p, struct pt_regs *regs)
{
	if (real_ops)
		WRITE_ONCE(killing, true);
	return 0;
}

static struct kprobe kill_anon = { .symbol_name = "kill_anon_super", .pre_handler = on_kill };

MODULE_DESCRIPTION("leaves one file dirty until the last sync of an umount (test only)");
MODULE_LICENSE("GPL");

static int __init skip_writeback_init(void)
{
	return register_kprobe(&kill_anon);
}
module_init(skip_writeback_init);
