# locale and gettext: the C.UTF-8 locale and translations that fall back.
import gettext
import locale

print(locale.setlocale(locale.LC_NUMERIC, "C"), locale.localeconv()["decimal_point"], locale.format_string("%.2f", 1234.5, grouping=True))
print(locale.strxfrm("abc") == "abc", locale.strcoll("a", "b") < 0, locale.atof("1.5"), locale.normalize("en_US.utf8"))
try:
    locale.setlocale(locale.LC_ALL, "xx_YY.UTF-8")
except locale.Error as error:
    print(error)
translation = gettext.NullTranslations()
print(translation.gettext("hello"), translation.ngettext("%d cat", "%d cats", 2) % 2, gettext.gettext("plain"))
try:
    gettext.translation("nothing", "/nowhere")
except FileNotFoundError as error:
    print(error)
[locale.getpreferredencoding(False), gettext.find("nothing", "/nowhere")]
