# calendar: months, weekdays, leap years, text and HTML forms.
import calendar

print(calendar.TextCalendar(firstweekday=0).formatmonth(2024, 2))
print(calendar.monthrange(2024, 2), calendar.isleap(1900), calendar.leapdays(2000, 2025), calendar.weekday(2024, 2, 29))
print(calendar.HTMLCalendar().formatmonth(2023, 2)[:60])
print(list(calendar.day_name), list(calendar.month_abbr), calendar.timegm((2024, 1, 1, 0, 0, 0)))
try:
    calendar.monthrange(2024, 13)
except calendar.IllegalMonthError as error:
    print(error)
calendar.monthcalendar(2024, 2)
