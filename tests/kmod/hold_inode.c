// SPDX-License-Identifier: GPL-2.0-only
/*
 * hold_inode - holds references to inodes and locks of their pages, for tests
 *
 * Commands, written to the parameter "command":
 *	hold PATH	take a reference to the inode, and drop its dentry (one that is in
 *			use just then goes when "last" is read)
 *	dontcache PATH	set its I_DONTCACHE
 *	lock PATH	lock its first cached page, with no reference to the inode:
 *			the eviction will wait for it
 *	put		drop all references, one after the other, in a workqueue
 *	site		the same, by the function that a call site of the fork calls
 *	find		look for that function, ahead of the next site or pairs: it
 *			takes a while
 *	twice		drop them as put does, and each once more: a bug
 *	unlock		unlock all pages
 *	pairs iput, pairs site	take another reference to the first inode and drop it,
 *			by iput() or as site does, PAIRS times without interrupts
 *	hog, unhog	keep the CPU busy, for longer than a workqueue waits for a
 *			new worker until it calls its rescuer, again and again
 *
 * Parameters to read: "held", references that are not dropped yet; "last", how
 * many of them are the only one to their inode; "took", how many ns the last put, site
 * or pairs was at work.
 */
#include <linux/dcache.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/namei.h>
#include <linux/pagemap.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

#define SLOTS 16384
#define PAIRS 10000

/*
 * Both arrays are changed by commands only, which come one at a time (the
 * module's parameter lock); put_all() reads one while no command changes it.
 */
static struct inode *inodes[SLOTS];
static struct page *pages[SLOTS];
static unsigned int n_inodes, n_pages;
static unsigned int done;	/* of inodes, by put_all() */
static void (*put)(struct inode *inode);
static unsigned int times = 1;	/* each is dropped */

static unsigned long took;
module_param(took, ulong, 0444);

static void put_all(struct work_struct *work)
{
	u64 began = ktime_get_ns();
	unsigned int n;

	while (READ_ONCE(done) < n_inodes) {
		for (n = 0; n < times; n++)
			put(inodes[done]);
		WRITE_ONCE(done, done + 1);
	}
	took = ktime_get_ns() - began;
}

static DECLARE_WORK(put_work, put_all);

static void (*site)(struct inode *inode);	/* of this ceph.ko, or NULL */

/* ceph.ko exports nothing; a probe knows where it is. */
static int find_site(void)
{
	struct kprobe kp = { .symbol_name = "ceph_iput_async" };
	int ret = site ? 0 : register_kprobe(&kp);

	if (ret || site)
		return ret;
	site = (void *)kp.addr;
	unregister_kprobe(&kp);
	return 0;
}

/* Another ceph.ko may be loaded before the next time. */
static int put_by_site(void)
{
	int ret = find_site();

	put = site;
	site = NULL;
	return ret;
}

static int pairs(const char *by)
{
	unsigned int n;
	u64 began;
	int ret;

	put = iput;
	ret = strcmp(by, "iput") ? put_by_site() : 0;
	if (ret)
		return ret;
	preempt_disable();
	local_irq_disable();
	began = ktime_get_ns();
	for (n = 0; n < PAIRS; n++) {
		ihold(inodes[0]);
		put(inodes[0]);
	}
	took = ktime_get_ns() - began;
	local_irq_enable();
	preempt_enable();
	return 0;
}

static bool hogging;

static void hog(struct timer_list *timer)
{
	mdelay(40);
	if (READ_ONCE(hogging))
		mod_timer(timer, jiffies + 1);
}

static DEFINE_TIMER(hog_timer, hog);

static int with_inode(const char *cmd, struct inode *inode)
{
	struct page *page;

	if (!strcmp(cmd, "hold")) {
		if (n_inodes == SLOTS)
			return -ENOSPC;
		ihold(inode);
		inodes[n_inodes++] = inode;
		return 0;
	}
	if (!strcmp(cmd, "dontcache")) {
		d_mark_dontcache(inode);
		return 0;
	}
	if (!strcmp(cmd, "lock")) {
		if (n_pages == SLOTS)
			return -ENOSPC;
		page = find_lock_page(inode->i_mapping, 0);
		if (!page)
			return -ENODATA;
		pages[n_pages++] = page;
		return 0;
	}
	return -EINVAL;
}

static void unlock_all(void)
{
	while (n_pages) {
		struct page *page = pages[--n_pages];

		unlock_page(page);
		put_page(page);
	}
}

static int command_set(const char *val, const struct kernel_param *kp)
{
	char *line = kstrdup(val, GFP_KERNEL), *arg, *cmd;
	struct path path;
	int ret = 0;

	if (!line)
		return -ENOMEM;
	arg = strim(line);
	cmd = strsep(&arg, " ");
	if (!strcmp(cmd, "unlock")) {
		unlock_all();
	} else if (!strcmp(cmd, "hog") || !strcmp(cmd, "unhog")) {
		WRITE_ONCE(hogging, *cmd == 'h');
		if (hogging)
			mod_timer(&hog_timer, jiffies + 1);
	} else if (!strcmp(cmd, "find")) {
		ret = find_site();
	} else if (work_busy(&put_work)) {
		ret = -EBUSY;
	} else if (!strcmp(cmd, "put") || !strcmp(cmd, "twice")) {
		put = iput;
		times = *cmd == 't' ? 2 : 1;
		queue_work(system_unbound_wq, &put_work);
	} else if (!strcmp(cmd, "site")) {
		ret = put_by_site();
		times = 1;
		if (!ret)
			queue_work(system_unbound_wq, &put_work);
	} else if (!arg) {
		ret = -EINVAL;
	} else if (!strcmp(cmd, "pairs")) {
		ret = n_inodes && !done ? pairs(arg) : -ENODATA;
	} else {
		if (done) {	/* all of them: the work is idle */
			done = 0;
			n_inodes = 0;
		}
		ret = kern_path(arg, 0, &path);
		if (!ret) {
			ret = with_inode(cmd, d_inode(path.dentry));
			path_put(&path);
			if (!ret && !strcmp(cmd, "hold"))
				d_prune_aliases(inodes[n_inodes - 1]);
		}
	}
	kfree(line);
	return ret;
}

static int held_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%u\n", n_inodes - READ_ONCE(done));
}

/* Not while put_all() works: the inodes are ours only until then. */
static int last_get(char *buf, const struct kernel_param *kp)
{
	unsigned int i, n = 0;

	if (work_busy(&put_work))
		return -EBUSY;
	for (i = done; i < n_inodes; i++) {
		if (atomic_read(&inodes[i]->i_count) > 1)
			d_prune_aliases(inodes[i]);
		n += atomic_read(&inodes[i]->i_count) == 1;
	}
	return sysfs_emit(buf, "%u\n", n);
}

static const struct kernel_param_ops command_ops = { .set = command_set };
static const struct kernel_param_ops held_ops = { .get = held_get };
static const struct kernel_param_ops last_ops = { .get = last_get };
module_param_cb(command, &command_ops, NULL, 0200);
module_param_cb(held, &held_ops, NULL, 0444);
module_param_cb(last, &last_ops, NULL, 0444);

static void __exit hold_inode_exit(void)
{
	WRITE_ONCE(hogging, false);
	while (timer_delete_sync(&hog_timer))
		;
	unlock_all();
	put = iput;
	times = 1;
	queue_work(system_unbound_wq, &put_work);
	flush_work(&put_work);
}
module_exit(hold_inode_exit);

static int __init hold_inode_init(void)
{
	return 0;
}
module_init(hold_inode_init);

MODULE_DESCRIPTION("Holds references to inodes and locks of their pages, for tests");
MODULE_LICENSE("GPL");
