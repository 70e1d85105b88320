# Exact one-sided tails of the sum of hypergeometric counts over strata, for
# test/unit/mine_test.c.  usage: Rscript test/tools/strata_tail.R > test/fixtures/strata_tail.txt
# A line: ln P, then a,n,F,N of each stratum.
set.seed(1)
for (case in 1:8) {
  K <- c(2,5,20,60,3,10,40,8)[case]; big <- case %in% c(5,6)
  N <- sample(if (big) 200:3000 else 6:80, K, TRUE); n <- pmax(1, round(N*runif(K,.05,.6))); F <- pmax(1, round(N*runif(K,.05,.3)))
  psi <- c(4,6,3,2.5,2,2.2,5,12)[case]
  a <- integer(K)
  for (k in 1:K) { x <- max(0,n[k]+F[k]-N[k]):min(n[k],F[k]); w <- dhyper(x,F[k],N[k]-F[k],n[k])*psi^x; a[k] <- x[sample.int(length(x),1,prob=w)] }
  d <- 1
  # by direct convolution: tails keep their digits
  d <- 1; for (k in 1:K) { p <- dhyper(0:n[k],F[k],N[k]-F[k],n[k]); e <- numeric(length(d)+n[k]); for (i in seq_along(p)) e[i:(i+length(d)-1)] <- e[i:(i+length(d)-1)] + p[i]*d; d <- e }
  A <- sum(a); lp <- log(sum(rev(d[(A+1):length(d)])))
  cat(sprintf("%.12g ", lp)); cat(paste(sprintf("%d,%d,%d,%d", a, n, F, N), collapse=" ")); cat("\n")
}
