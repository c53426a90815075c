# statistics: averages, spread, quantiles, correlation, normal distribution, errors.
import statistics as st

data = [2.5, 3.25, 5.5, 11.25, 11.75, 19.0, 3.25]
print(st.mean(data), st.median(data), st.mode(data), st.multimode([1, 1, 2, 2]), st.fmean(data))
print(st.stdev(data), st.pvariance(data), st.harmonic_mean([40, 60]), st.geometric_mean([54, 24, 36]))
print(st.quantiles(data, n=4), st.median_low([1, 2, 3, 4]), st.median_grouped([1, 2, 2, 3, 4]))
print(st.correlation([1, 2, 3, 4], [2, 4, 6, 9]), st.linear_regression([1, 2, 3], [2, 4, 6.5]))
normal = st.NormalDist(100, 15)
print(normal.cdf(115), normal.inv_cdf(0.975), normal.overlap(st.NormalDist(110, 15)))
try:
    st.mean([])
except st.StatisticsError as error:
    print(error)
[st.mean([1, 2, 3, 4]), st.variance([1, 2, 3, 4]), normal.zscore(130)]
