// SPDX-License-Identifier: GPL-2.0-only
/* Another live patch on the function that the live patch needs. */
#include <linux/livepatch.h>
#include <linux/module.h>

static int other(struct inode *inode)
{
	return 1;
}

static struct klp_func funcs[] = {
	{ .old_name = OTHER_PATCH_FUNCTION, .new_func = other }, { }
};

static struct klp_object objs[] = {
	{ .funcs = funcs }, { }
};

static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objs };

static int __init other_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit other_exit(void)
{
}

module_init(other_init);
module_exit(other_exit);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
