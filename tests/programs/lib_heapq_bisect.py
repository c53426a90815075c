# heapq and bisect: order kept by insertion, merging, largest and smallest.
import bisect
import heapq

heap = [5, 1, 8, 3, 9, 2]
heapq.heapify(heap)
print(heapq.heappushpop(heap, 0), heapq.heapreplace(heap, 7), [heapq.heappop(heap) for _ in range(4)])
print(heapq.nlargest(2, ["pear", "fig", "banana"], key=len), heapq.nsmallest(2, [4, 2, 9]))
print(list(heapq.merge([1, 4, 7], [2, 5], [0, 9], reverse=False)))
scores = [60, 70, 80, 90]
grades = [("FDCBA"[bisect.bisect(scores, s)]) for s in (33, 99, 77, 70, 89, 90)]
names = ["ann", "bob", "cid"]
bisect.insort(names, "bea")
print(grades, names, bisect.bisect_left([1, 2, 2, 3], 2), bisect.bisect_right([3, 2, 1], -2, key=lambda v: -v))
[heap, grades, names]
