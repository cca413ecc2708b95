/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inode_at - what was written to a parameter of ours is a path
 */
#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/namei.h>
#include <linux/slab.h>
#include <linux/string.h>

/* Its inode, with a reference; or an error */
static inline struct inode *inode_at(const char *val)
{
	char *name = kstrdup(val, GFP_KERNEL);
	struct inode *inode;
	struct path path;
	int ret;

	if (!name)
		return ERR_PTR(-ENOMEM);
	ret = kern_path(strim(name), LOOKUP_FOLLOW, &path);
	kfree(name);
	if (ret)
		return ERR_PTR(ret);
	inode = d_inode(path.dentry);
	ihold(inode);
	path_put(&path);
	return inode;
}
