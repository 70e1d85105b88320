/*-------------------------------------------------------------------------
 *
 * pattern_text.h
 *		Keys and sentences of patterns.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_PATTERN_TEXT_H
#define FAILPAT_PATTERN_TEXT_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "condition_read.h"

/*
 * The key of a pattern, "w:5:l:3:c:12:st:7:sp:6+", palloc'd.  conditions as
 * everywhere in failpat; dimensions (or NULL) may name other prefixes:
 * {"lora": {"key": "l", "title": "LoRA", "labels": {"3": "Film grain"}}}.
 * Two different sets of conditions never have the same key.
 *
 * Errors: ERRCODE_INVALID_PARAMETER_VALUE where conditions are not conditions
 * of a pattern.
 */
extern char *failpat_pattern_key(Jsonb *conditions, Jsonb *dimensions);

/* the same of n conditions that have been read, on different dimensions */
extern char *failpat_pattern_key_read(const FailpatCondition *conditions,
									  int n, Jsonb *dimensions);

/*
 * The sentence, "LoRA X + Character Y fails at segment 6+", palloc'd.
 * better: it fails less often than others.  check: the name of the check that
 * fails, or NULL.
 */
extern char *failpat_pattern_text(Jsonb *conditions, Jsonb *dimensions,
								  bool better, const char *check);

#endif /* FAILPAT_PATTERN_TEXT_H */
