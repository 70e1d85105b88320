# What one would do in R: the best division of each series, timed.
#
# usage: Rscript trends.R FILE      columns series, failures, trials; in order
#
# With the package changepoint (cpt.mean, PELT, its default penalty MBIC) where
# it is installed; else PELT (Killick, Fearnhead and Eckley 2012) with binomial
# cost in plain R, vectorised over the candidates. Prints the name of the method
# and the milliseconds.
file <- commandArgs(trailingOnly = TRUE)[1]
data <- read.csv(file, header = FALSE, col.names = c("series", "failures", "trials"))

deviance <- function(n, f) {
  g <- n - f
  2 * (n * log(n) - ifelse(f > 0, f * log(f), 0) - ifelse(g > 0, g * log(g), 0))
}

pelt <- function(f, n, penalty = 3 * log(length(f))) {
  T <- length(f)
  F <- c(0, cumsum(f))
  N <- c(0, cumsum(n))
  best <- c(-penalty, numeric(T))
  last <- integer(T)
  candidates <- 0L
  for (t in seq_len(T)) {
    cost <- best[candidates + 1] + deviance(N[t + 1] - N[candidates + 1], F[t + 1] - F[candidates + 1])
    k <- which.min(cost)
    best[t + 1] <- cost[k] + penalty
    last[t] <- candidates[k]
    candidates <- c(candidates[cost <= best[t + 1]], t)
  }
  changes <- integer(0)
  t <- last[T]
  while (t > 0) {
    changes <- c(t, changes)
    t <- last[t]
  }
  changes
}

if (requireNamespace("changepoint", quietly = TRUE)) {
  name <- "R changepoint"
  divide <- function(f, n) {
    x <- f / n
    scale <- mad(diff(x)) / sqrt(2)
    changepoint::cpts(changepoint::cpt.mean(x / max(scale, 1e-9), method = "PELT"))
  }
} else {
  name <- "PELT in plain R"
  divide <- pelt
}

parts <- split(seq_len(nrow(data)), data$series)
time <- system.time(
  changes <- lapply(parts, function(i) divide(data$failures[i], data$trials[i]))
)[["elapsed"]]
cat(name, "\t", round(1000 * time), "\t", sum(lengths(changes) > 0), "\n", sep = "")
