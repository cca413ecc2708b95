// SPDX-License-Identifier: GPL-2.0-only
/// Take away from the mechanism what a series for the kernel has no use for, or
/// what one of its later patches brings.
//# src/package/series says which of these it wants, and takes away what is no C.
//
// Confidence: High
// Copyright: (C) 2026 the ceph-async-iput authors
// Options: --no-includes iput_async.[ch] iput_queue.[ch]

virtual glue
virtual upstream
virtual counters
virtual gate

// ------------------------------------------- what the tests need of the module

@depends on glue@
symbol async_iput_delay_ms, async_iput_gate, async_iput_sites;
@@
-if (async_iput_delay_ms)
-	msleep(async_iput_delay_ms);

@depends on glue@
expression A, B;
@@
-A || !async_iput_gate || B
+A || B

@depends on glue@
expression A;
@@
-A || !async_iput_sites
+A

// ------------------------------- no switch; counters in debugfs; a warning

@depends on upstream@
symbol async_iput;
@@
-if (!READ_ONCE(async_iput)) { ... }

@depends on upstream@
expression E;
symbol q, work, waits;
@@
-if (!READ_ONCE(async_iput) || E)
+if (E) {
+	/* It may be a messenger or the flusher, waiting for itself. */
+	WARN_ON_ONCE(work && waits);
 	return 1;
+}
 q = ceph_iput_pin(...);

@depends on upstream@
expression E;
@@
-READ_ONCE(async_iput) && E
+E

@depends on upstream@
identifier f = {ceph_iput_proc_init, ceph_iput_proc_exit};
@@
-f(...) { ... }

// ------------------------------------------------------- counters, tracepoints

@depends on counters@
@@
(
-trace_ceph_iput_defer(...);
|
-trace_ceph_iput_catch(...);
|
-trace_ceph_iput_evict(...);
|
-ceph_iput_queue_show(...);
|
-ceph_iput_queue_hide(...);
)

@depends on counters@
identifier f = {stats_show, ceph_iput_queue_show, ceph_iput_queue_hide,
	ceph_iput_proc_init, ceph_iput_proc_exit, ceph_iput_vino};
@@
-f(...) { ... }

@depends on counters@
identifier vino;
@@
-struct ceph_vino vino = ceph_iput_vino(...);

@depends on counters@
@@
 catch(...)
 {
 ...
-struct work_struct *work = current_work();
 ...
 }

@depends on counters@
identifier dev, ns, sb;
@@
 iput_workfn(...)
 {
 <...
(
-dev_t dev = sb->s_dev;
|
-u64 ns = ktime_get_ns();
|
-ns = ktime_get_ns() - ns;
)
 ...>
 }

@depends on counters@
identifier s, w;
@@
(
-if (w->evicts) { ... } else { ... }
|
-if (caught) s->caught++; else s->deferred++;
|
-s->pending_max = max(...);
)

@depends on counters@
identifier q, inode, caught;
@@
 donate(struct ceph_iput_queue *q, struct inode *inode
-	, bool caught
 ) { ... }

@depends on counters@
identifier q, inode, caller;
@@
 ceph_iput_donate(struct ceph_iput_queue *q, struct inode *inode
-	, void *caller
 ) { ... }

@depends on counters@
identifier inode, caller;
@@
 put(struct inode *inode
-	, void *caller
 ) { ... }

@depends on counters@
expression q, inode, E;
@@
(
 donate(q, inode
-	, E
 )
|
 ceph_iput_donate(q, inode
-	, E
 )
|
 put(inode
-	, E
 )
)

@depends on counters@
type T;
identifier f = {proc, debugfs};
@@
 struct ceph_iput_queue {
 	...
-	T f;
 	...
 };

// ------------------------------------------------------------------ the gate

@depends on gate@
identifier f = {judge, ceph_iput_gate, catch, ceph_iput_pin,
	ceph_iput_drop_inode, ceph_iput_close};
@@
-f(...) { ... }

@depends on gate@
@@
 struct ceph_iput_queue {
 	...
-	bool closed;
 	...
 };
