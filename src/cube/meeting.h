/*-------------------------------------------------------------------------
 *
 * meeting.h
 *		The cells of a cube that meet conditions, of which many are asked for.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_CUBE_MEETING_H
#define FAILPAT_CUBE_MEETING_H

#include "cube/read.h"

typedef struct FpMeeting FpMeeting;

/* In arena, as all of it; the cube must last as long. */
extern FpMeeting *fp_meeting_create(FpArena arena, const FpCube *cube);

/*
 * The cells that meet all conditions, ascending, as fp_cube_match tells them;
 * they are there until the next are asked for.
 */
extern const uint32 *fp_meeting_cells(FpMeeting			*meeting,
									  const FpCondition *conditions,
									  int nconditions, uint32 *ncells);

#endif /* FAILPAT_CUBE_MEETING_H */
