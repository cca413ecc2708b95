// SPDX-License-Identifier: GPL-2.0-only
/*
 * refuse_write - the flusher may begin one file's writeback, and may not submit it
 *
 * For tests only. That is what a flusher meets that an umount overtakes: the mount stops
 * between the two times that writeback asks it. Write the path of a file with a dirty page
 * to /sys/module/.../parameters/file, where the next writeback of it by a worker is refused.
 * It reads as how often that was done, and the inode's i_count; that is -1 when not armed.
 *
 * What was refused stays counted as one that umount waits for.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/sched.h>

#include "inode_at.h"

/*
 * No reference is ours: it would never be the last one then. The dirty page has one, and
 * only the writeback that ends this gives it up.
 */
static struct address_space *target;
static struct task_struct *writer;	/* which is in that writeback, and has ... */
static int asked;			/* so often; its alone */
static atomic_t refused;
static DEFINE_RAW_SPINLOCK(lock);	/* target and writer */

static int file_set(const char *val, const struct kernel_param *kp)
{
	struct inode *inode = inode_at(val);
	int ret = -EINVAL;

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	raw_spin_lock_irq(&lock);
	if (!target && mapping_tagged(inode->i_mapping, PAGECACHE_TAG_DIRTY)) {
		target = inode->i_mapping;
		ret = 0;
	}
	raw_spin_unlock_irq(&lock);
	iput(inode);
	return ret;
}

static int file_get(char *buf, const struct kernel_param *kp)
{
	int count;

	raw_spin_lock_irq(&lock);
	count = target ? atomic_read(&target->host->i_count) : -1;
	raw_spin_unlock_irq(&lock);
	return sysfs_emit(buf, "%d %d\n", atomic_read(&refused), count);
}

static const struct kernel_param_ops file_ops = { .set = file_set, .get = file_get };
module_param_cb(file, &file_ops, NULL, 0600);

static int on_writepages(struct kprobe *p, struct pt_regs *regs)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&lock, flags);
	if (current->flags & PF_WQ_WORKER && target &&
	    (struct address_space *)regs_get_kernel_argument(regs, 0) == target) {
		writer = current;
		asked = 0;
	}
	raw_spin_unlock_irqrestore(&lock, flags);
	return 0;
}

static int on_answer(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&lock, flags);
	if (current == writer && ++asked == 2) {
		target = NULL;
		writer = NULL;
		atomic_inc(&refused);
		regs_set_return_value(regs, false);
	}
	raw_spin_unlock_irqrestore(&lock, flags);
	return 0;
}

static struct kprobe writepages = {
	.symbol_name = "ceph_writepages_start",
	.pre_handler = on_writepages,
};

static struct kretprobe may_write = {
	.kp.symbol_name = "ceph_inc_osd_stopping_blocker",
	.handler = on_answer,
};

MODULE_DESCRIPTION("refuses a write that the flusher has begun (test only)");
MODULE_LICENSE("GPL");

static int __init refuse_write_init(void)
{
	int ret = register_kprobe(&writepages);

	if (ret)
		return ret;
	ret = register_kretprobe(&may_write);
	if (ret)
		unregister_kprobe(&writepages);
	return ret;
}
module_init(refuse_write_init);
