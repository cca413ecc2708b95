/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ceph_iput

#if !defined(_CEPH_IPUT_ASYNC_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _CEPH_IPUT_ASYNC_TRACE_H

#include <linux/tracepoint.h>

DECLARE_EVENT_CLASS(ceph_iput_donate,
		    TP_PROTO(dev_t dev, u64 ino, u64 snap, void *caller),
		    TP_ARGS(dev, ino, snap, caller),
		    TP_STRUCT__entry(__field(dev_t, dev)
				     __field(u64, ino)
				     __field(u64, snap)
				     __field(void *, caller)),
		    TP_fast_assign(__entry->dev = dev;
				   __entry->ino = ino;
				   __entry->snap = snap;
				   __entry->caller = caller;),
		    TP_printk("dev=%d:%d ino=%llx snap=%llx caller=%pS",
			      MAJOR(__entry->dev), MINOR(__entry->dev),
			      __entry->ino, __entry->snap, __entry->caller));

/* A call site donated the last reference; caller is the site. */
DEFINE_EVENT(ceph_iput_donate, ceph_iput_defer,
	     TP_PROTO(dev_t dev, u64 ino, u64 snap, void *caller),
	     TP_ARGS(dev, ino, snap, caller));

/*
 * ->drop_inode caught the last reference; caller is the worker's function, or
 * NULL in a system call.
 */
DEFINE_EVENT(ceph_iput_donate, ceph_iput_catch,
	     TP_PROTO(dev_t dev, u64 ino, u64 snap, void *caller),
	     TP_ARGS(dev, ino, snap, caller));

/* A worker has put a donated reference; ns with what it had to wait for. */
TRACE_EVENT(ceph_iput_evict,
	    TP_PROTO(dev_t dev, u64 ino, u64 snap, bool evicted, u64 ns),
	    TP_ARGS(dev, ino, snap, evicted, ns),
	    TP_STRUCT__entry(__field(dev_t, dev)
			     __field(u64, ino)
			     __field(u64, snap)
			     __field(bool, evicted)
			     __field(u64, ns)),
	    TP_fast_assign(__entry->dev = dev;
			   __entry->ino = ino;
			   __entry->snap = snap;
			   __entry->evicted = evicted;
			   __entry->ns = ns;),
	    TP_printk("dev=%d:%d ino=%llx snap=%llx %s ns=%llu",
		      MAJOR(__entry->dev), MINOR(__entry->dev),
		      __entry->ino, __entry->snap,
		      __entry->evicted ? "evicted" : "reused",
		      __entry->ns));

#endif /* _CEPH_IPUT_ASYNC_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE iput_async_trace
#include <trace/define_trace.h>
