-- The extension script is joined from the parts in sql/install/, in the order
-- of their names; "make" writes it. Edit the parts.

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION failpat" to load this file. \quit
