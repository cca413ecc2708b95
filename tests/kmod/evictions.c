// SPDX-License-Identifier: GPL-2.0-only
/*
 * evictions - counts the evictions of CephFS inodes by context, for tests
 *
 * Parameters:
 *	contexts	one line for each context: how many inodes it has evicted,
 *			the time spent in evict() in all and the longest, both in
 *			nanoseconds, and its name.  That is the function of the
 *			work item (ceph_con_workfn [libceph], wb_workfn, ...),
 *			"syscall" outside of the kernel's threads, else "kthread".
 *	waits		the same of those who waited for somebody else's eviction to
 *			end, as a lookup of that inode does
 *	evicted		how many in all
 *	last		when the last evict() returned, in nanoseconds of
 *			CLOCK_MONOTONIC
 *	missed		evictions that found no room to be measured
 *	reset		written: all counters are 0 from then on
 *
 * The time in evict() includes the wait for the inode's writeback.
 */
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/ktime.h>
#include <linux/magic.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#define CONTEXTS 16

struct table {
	unsigned int n;
	struct context {
		const void *key;	/* a work function, or a string */
		u64 n, ns, longest_ns;
	} contexts[CONTEXTS];
};

/* Guards all that follows. */
static DEFINE_RAW_SPINLOCK(lock);
static struct table evictions, waits;
static u64 evicted, last_ns, missed;

static const char by_syscall[] = "syscall", by_kthread[] = "kthread";

static int entered(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct inode *inode = (struct inode *)regs_get_kernel_argument(regs, 0);

	if (inode->i_sb->s_magic != CEPH_SUPER_MAGIC)
		return 1;	/* no look at its return */
	*(u64 *)ri->data = ktime_get_ns();
	return 0;
}

static void count(struct table *t, u64 ns)
{
	struct work_struct *work = current_work();
	const void *key = work ? (void *)work->func :
		current->flags & PF_KTHREAD ? (const void *)by_kthread : by_syscall;
	struct context *c;

	for (c = t->contexts; c < t->contexts + t->n && c->key != key; c++)
		;
	if (c == t->contexts + CONTEXTS) {
		missed++;
		return;
	}
	if (c == t->contexts + t->n)
		t->n++;
	c->key = key;
	c->n++;
	c->ns += ns;
	c->longest_ns = max(c->longest_ns, ns);
}

static int evicted_one(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	u64 now = ktime_get_ns();
	unsigned long flags;

	raw_spin_lock_irqsave(&lock, flags);
	count(&evictions, now - *(u64 *)ri->data);
	evicted++;
	last_ns = now;
	raw_spin_unlock_irqrestore(&lock, flags);
	return 0;
}

static int waited(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	u64 now = ktime_get_ns();
	unsigned long flags;

	raw_spin_lock_irqsave(&lock, flags);
	count(&waits, now - *(u64 *)ri->data);
	raw_spin_unlock_irqrestore(&lock, flags);
	return 0;
}

#define PROBE(function, at_return) {			\
	.kp.symbol_name = function,			\
	.entry_handler = entered,			\
	.handler = at_return,				\
	.data_size = sizeof(u64),			\
	.maxactive = 256,				\
}

static struct kretprobe evict_probe = PROBE("evict", evicted_one);
/* Its first argument is the inode, too. */
static struct kretprobe wait_probe = PROBE("__wait_on_freeing_inode", waited);
static struct kretprobe *probes[] = { &evict_probe, &wait_probe };

static int table_get(char *buf, const struct kernel_param *kp)
{
	struct table copy;
	struct context *c;
	int len = 0;

	raw_spin_lock_irq(&lock);
	copy = *(struct table *)kp->arg;
	raw_spin_unlock_irq(&lock);

	for (c = copy.contexts; c < copy.contexts + copy.n; c++) {
		len += sysfs_emit_at(buf, len, "%llu %llu %llu ", c->n, c->ns,
				     c->longest_ns);
		if (c->key == by_syscall || c->key == by_kthread)
			len += sysfs_emit_at(buf, len, "%s\n",
					     (const char *)c->key);
		else
			len += sysfs_emit_at(buf, len, "%ps\n", c->key);
	}
	return len;
}

static int reset_set(const char *val, const struct kernel_param *kp)
{
	raw_spin_lock_irq(&lock);
	memset(&evictions, 0, sizeof(evictions));
	memset(&waits, 0, sizeof(waits));
	evicted = 0;
	last_ns = 0;
	missed = 0;
	evict_probe.nmissed = 0;
	wait_probe.nmissed = 0;
	raw_spin_unlock_irq(&lock);
	return 0;
}

static int u64_get(char *buf, const struct kernel_param *kp)
{
	u64 value;

	raw_spin_lock_irq(&lock);
	value = *(u64 *)kp->arg;
	if (kp->arg == &missed)
		value += evict_probe.nmissed + wait_probe.nmissed;
	raw_spin_unlock_irq(&lock);
	return sysfs_emit(buf, "%llu\n", value);
}

static const struct kernel_param_ops table_ops = { .get = table_get };
static const struct kernel_param_ops reset_ops = { .set = reset_set };
static const struct kernel_param_ops u64_ops = { .get = u64_get };
module_param_cb(contexts, &table_ops, &evictions, 0444);
module_param_cb(waits, &table_ops, &waits, 0444);
module_param_cb(reset, &reset_ops, NULL, 0200);
module_param_cb(evicted, &u64_ops, &evicted, 0444);
module_param_cb(last, &u64_ops, &last_ns, 0444);
module_param_cb(missed, &u64_ops, &missed, 0444);

static int __init evictions_init(void)
{
	return register_kretprobes(probes, ARRAY_SIZE(probes));
}
module_init(evictions_init);

static void __exit evictions_exit(void)
{
	unregister_kretprobes(probes, ARRAY_SIZE(probes));
}
module_exit(evictions_exit);

MODULE_DESCRIPTION("Counts the evictions of CephFS inodes by context, for tests");
MODULE_LICENSE("GPL");
