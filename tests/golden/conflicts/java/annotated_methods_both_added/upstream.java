class TillTest {

    @Test
    void opens() {
        till.open();
    }

    @Test
    @Slow
    void closes() {
        assertThat(till.close()).isZero();
    }
}
