/* The process's first three descriptors. */
#ifndef BASE_FDS_H
#define BASE_FDS_H

/*
 * Opens /dev/null for those of 0, 1 and 2 that are closed: else the first socket or pipe would get
 * the number, and whatever is printed or logged would go into it.  First thing in main().
 */
void fds_open_standard(void);

#endif
