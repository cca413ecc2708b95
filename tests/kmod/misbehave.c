// SPDX-License-Identifier: GPL-2.0-only
/*
 * misbehave - commits, when loaded, one error of each kind that the debug kernel
 * has to report. Elsewhere it must not be loaded.
 */
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

static DEFINE_MUTEX(a);
static DEFINE_MUTEX(b);
static DEFINE_SPINLOCK(spin);

static void lock_in_both_orders(void)
{
	mutex_lock(&a);
	mutex_lock(&b);
	mutex_unlock(&b);
	mutex_unlock(&a);
	mutex_lock(&b);
	mutex_lock(&a);
	mutex_unlock(&a);
	mutex_unlock(&b);
}

static void sleep_in_atomic_context(void)
{
	spin_lock(&spin);
	might_sleep();
	spin_unlock(&spin);
}

static void nothing(struct work_struct *work)
{
}

static void free_queued_work(void)
{
	struct delayed_work *work = kmalloc(sizeof(*work), GFP_KERNEL);

	if (!work)
		return;
	INIT_DELAYED_WORK(work, nothing);
	schedule_delayed_work(work, HZ * 1000);
	kfree(work);
}

static void add_to_list_twice(void)
{
	struct list_head list, item;

	INIT_LIST_HEAD(&list);
	list_add(&item, &list);
	list_add(&item, &list);
}

static noinline void read_what_was_freed(void)
{
	char *p = kmalloc(100, GFP_KERNEL);

	if (!p)
		return;
	OPTIMIZER_HIDE_VAR(p);
	kfree(p);
	(void)READ_ONCE(p[1]);
}

static void destroy_used_cache(void)
{
	struct kmem_cache *cache;

	cache = kmem_cache_create("misbehave", 100, 0, 0, NULL);
	if (!cache)
		return;
	(void)kmem_cache_alloc(cache, GFP_KERNEL);
	kmem_cache_destroy(cache);
}

/* Several, because a stale pointer to one may be left on a stack. */
static noinline void leak(void)
{
	void *p;
	int i;

	for (i = 0; i < 8; i++) {
		p = kmalloc(200, GFP_KERNEL);
		OPTIMIZER_HIDE_VAR(p);
	}
}

/* Lockdep goes first: it gives up once memory is corrupt. */
static int __init misbehave_init(void)
{
	lock_in_both_orders();
	sleep_in_atomic_context();
	free_queued_work();
	add_to_list_twice();
	leak();
	destroy_used_cache();
	read_what_was_freed();
	return 0;
}
module_init(misbehave_init);

MODULE_DESCRIPTION("Commits errors that a debug kernel has to report");
MODULE_LICENSE("GPL");
