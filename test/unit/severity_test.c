/* Severity: the bands, their edges, and that too little data is low. */
#include "stats/severity.h"
#include "unit.h"

int
main(void)
{
	ok(fp_severity(4, 0.9, 0.1) == FP_SEVERITY_LOW,
	   "four trials are low whatever the rate");
	ok(fp_severity(5, 0.5, 0.4) == FP_SEVERITY_HIGH, "high by its rate");
	ok(fp_severity(1000, 0.49, 0.4) == FP_SEVERITY_MEDIUM,
	   "medium by its rate");
	ok(fp_severity(1000, 0.19, 0.15) == FP_SEVERITY_LOW,
	   "neither rate nor ratio");
	ok(fp_severity(140, 0.36, 0.086) == FP_SEVERITY_HIGH,
	   "four times the baseline and above a fifth is high");
	ok(fp_severity(140, 0.19, 0.01) == FP_SEVERITY_MEDIUM,
	   "nineteen times the baseline but below a fifth is medium");
	ok(fp_severity(100000, 0.04, 0.001) == FP_SEVERITY_LOW,
	   "many times next to nothing is low");
	ok(fp_severity(100, 0.2, NAN) == FP_SEVERITY_MEDIUM &&
		   fp_severity(100, NAN, 0.1) == FP_SEVERITY_LOW,
	   "an unknown baseline leaves the rate; an unknown bound is low");
	ok(fp_severity(100, 0, 0) == FP_SEVERITY_LOW,
	   "no failures anywhere is low");
	ok(strcmp(fp_severity_name(FP_SEVERITY_LOW), "low") == 0 &&
		   strcmp(fp_severity_name(FP_SEVERITY_MEDIUM), "medium") == 0 &&
		   strcmp(fp_severity_name(FP_SEVERITY_HIGH), "high") == 0,
	   "the host platform's words");

	/* other bands */
	fp_severity_bands = (FpSeverityBands){20, 0.7, 0.3, 8, 0.4, 5, 0.1};
	ok(fp_severity(19, 0.9, 0.1) == FP_SEVERITY_LOW &&
		   fp_severity(20, 0.9, 0.1) == FP_SEVERITY_HIGH,
	   "as many trials as asked for");
	ok(fp_severity(100, 0.7, 0.5) == FP_SEVERITY_HIGH &&
		   fp_severity(100, 0.69, 0.5) == FP_SEVERITY_MEDIUM &&
		   fp_severity(100, 0.29, 0.2) == FP_SEVERITY_LOW,
	   "as high as asked for");
	ok(fp_severity(100, 0.4, 0.05) == FP_SEVERITY_HIGH &&
		   fp_severity(100, 0.39, 0.0001) == FP_SEVERITY_MEDIUM &&
		   fp_severity(100, 0.25, 0.05) == FP_SEVERITY_MEDIUM &&
		   fp_severity(100, 0.25, 0.051) == FP_SEVERITY_LOW &&
		   fp_severity(100, 0.09, 0.001) == FP_SEVERITY_LOW,
	   "as many times as asked for, from as much on");
	return unit_done();
}
