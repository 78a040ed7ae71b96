/* Leases cores to jobs so that their threads never exceed the machine: chat before quantize,
 * quantize before eval. A lease's pool is the holder's alone; its active width changes as others
 * come and go (nk_pool_limit between parallel calls), never the results. */
#ifndef NIBBLE_SCHED_H
#define NIBBLE_SCHED_H

#include "kernels/pool.h"

typedef struct nb_sched nb_sched;
typedef struct nb_lease nb_lease;

typedef enum nb_work { NB_WORK_CHAT, NB_WORK_QUANTIZE, NB_WORK_EVAL } nb_work;

/* cores >= 1: all threads of all jobs together. */
nb_status nb_sched_open(nb_sched **out, int cores, nb_err *err);
void nb_sched_close(nb_sched **s); /* after every lease is returned */
/* want 0 = as many as there are. Always granted at least 1. Any thread. */
nb_status nb_lease_take(nb_lease **out, nb_sched *s, nb_work work, int want, nb_err *err);
/* The pool, its width adjusted to the present share; call between units of work. */
nk_pool *nb_lease_pool(nb_lease *l);
void nb_lease_return(nb_lease **l);

#endif
