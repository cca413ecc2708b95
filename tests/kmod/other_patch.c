// SPDX-License-Identifier: GPL-2.0-only
/*
 * Another live patch, for tests: on the function that the live patch needs or,
 * with elsewhere=1, on one that it does not touch. With cumulative=1 it replaces
 * all that are there, as a distribution's next one does.
 */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

static bool elsewhere;
module_param(elsewhere, bool, 0444);
static bool cumulative;
module_param(cumulative, bool, 0444);

static int other_drop_inode(struct inode *inode)
{
	return 1;
}

/* what /proc/cmdline shows */
static int other_cmdline(struct seq_file *m, void *v)
{
	seq_puts(m, "patched\n");
	return 0;
}

static struct klp_func funcs[] = {
	{ .old_name = OTHER_PATCH_FUNCTION, .new_func = other_drop_inode }, { }
};

static struct klp_object objs[] = {
	{ .funcs = funcs }, { }
};

static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objs };

static int __init other_init(void)
{
	if (elsewhere) {
		funcs[0].old_name = "cmdline_proc_show";
		funcs[0].new_func = other_cmdline;
	}
	patch.replace = cumulative;
	return klp_enable_patch(&patch);
}

static void __exit other_exit(void)
{
}

module_init(other_init);
module_exit(other_exit);
MODULE_DESCRIPTION("Another live patch (test only)");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
